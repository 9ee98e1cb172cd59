// A step of the AssemblyScript compiler for the guests that are explored: exports every mutable global, so that a
// scheduler can compare all that a suspended guest is: but for statistics.ts, by which nothing is decided. What asyncify
// adds later is no state of it.

export default class ExportGlobals {
  afterCompile(module) {
    for (let i = 0; i < module.getNumGlobals(); i++) {
      const { name, mutable } = this.binaryen.getGlobalInfo(module.getGlobalByIndex(i));
      if (mutable && !name.includes("/statistics/")) module.addGlobalExport(name, name);
    }
  }
}
