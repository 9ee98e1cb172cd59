// The machine of a scenario that only boots: the same under every engine, so that a schedule means the same.

/** Guest RAM in bytes: the least there is. */
export const BOOT_RAM_BYTES = 2 * 1024 * 1024;

/** What it shares, from memory. */
export const MEMORY_TREE = { "hello.txt": "Hello from the memory share.\n", dir: { "nested.txt": "nested\n" } };
