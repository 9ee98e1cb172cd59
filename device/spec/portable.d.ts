// Layout files under vm/spec and device/spec are compiled by two compilers. These are the AssemblyScript scalar names
// that they may use, as TypeScript sees them.
declare type i32 = number;
declare type u32 = number;
declare type bool = boolean;
