import fc from "fast-check";
import { expect, it } from "vitest";
import { Tuples } from "../../../host/explore/tuples.js";

const int = fc.oneof(fc.constantFrom(0, 1, -1), fc.integer());

it("numbers tuples in the order of their first appearance, equal ones by one number, and gives them back", () => {
  fc.assert(
    fc.property(fc.array(fc.array(int, { maxLength: 6 }), { maxLength: 400 }), (list) => {
      const tuples = new Tuples();
      const model = new Map<string, number>();
      for (const tuple of list) {
        const key = tuple.join();
        if (!model.has(key)) model.set(key, model.size);
        const number = tuples.intern(tuple);
        expect(number).toBe(model.get(key));
        const read = new Int32Array(tuple.length);
        tuples.read(number, read);
        expect([...read]).toEqual(tuple);
      }
      expect(tuples.size).toBe(model.size);
    }),
    { seed: 2026, numRuns: 50 },
  );
});
