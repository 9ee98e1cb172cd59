/** A refusal as the FUSE protocol carries it (out_header.error): a negative errno of device/spec/errno.ts. */
export type Failed = number;
