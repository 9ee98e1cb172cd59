// `vhostlab bench ring --svg`: ns a request against each option that has several values.

import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { RingCase } from "../bench/ring/measure.js";

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const WIDTH = 720;
const HEIGHT = 360;

/** What a chart can be drawn against. */
const AXES = {
  batch: "chains a store of avail.idx",
  payload: "bytes a request",
  ring: "entries of the queue",
} as const;
type Axis = keyof typeof AXES;

/** The options that differ between the cases. */
export function axesOf(cases: readonly Pick<RingCase, "options">[]): Axis[] {
  return (Object.keys(AXES) as Axis[]).filter((axis) => new Set(cases.map(({ options }) => options[axis])).size > 1);
}

interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: string, ns: number])[];
}

/** The lines of a chart: cases that differ in nothing but the axis lie on one, and so do those of whom they were held against. */
export function linesOf(cases: readonly RingCase[], axis: Axis): Line[] {
  const lines = new Map<string, [string, number][]>();
  const add = (name: string, x: number, spread: RingCase["nsPerRequest"]): void => {
    if (!spread) return;
    lines.set(name, [...(lines.get(name) ?? []), [String(x), spread.median]]);
  };
  const others = axesOf(cases).filter((other) => other !== axis);
  for (const { options, nsPerRequest, against } of cases) {
    const rest = others.map((other) => `, ${other} ${options[other]}`).join("");
    add(`wasm${rest}`, options[axis], nsPerRequest);
    if (against) add(`${against.name}${rest}`, options[axis], against.nsPerRequest);
  }
  return [...lines].map(([name, points]) => ({ name, points }));
}

/** An SVG document with a chart for each of `axes`, one below the other. */
export function ringCharts(cases: readonly RingCase[], axes: readonly Axis[]): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT * axes.length });
  const share = 100 / axes.length;
  chart.setOption({
    animation: false,
    backgroundColor: "#fff",
    title: axes.map((axis, i) => ({
      text: `ns a request against ${axis}`,
      top: `${share * i + 1}%`,
      left: 10,
      textStyle: { fontSize: 14 },
    })),
    legend: axes.map((axis, i) => ({
      top: `${share * i + share / 10}%`,
      left: 10,
      data: linesOf(cases, axis).map(({ name }) => name),
    })),
    grid: axes.map((_, i) => ({ top: `${share * i + share / 4}%`, height: `${share / 1.9}%`, left: 60, right: 30 })),
    xAxis: axes.map((axis, i) => ({
      type: "category",
      gridIndex: i,
      name: AXES[axis],
      nameLocation: "middle",
      nameGap: 26,
      data: [...new Set(cases.map(({ options }) => options[axis]))].sort((a, b) => a - b).map(String),
    })),
    yAxis: axes.map((_, i) => ({ type: "value", gridIndex: i, name: "ns", min: 0 })),
    series: axes.flatMap((axis, i) =>
      linesOf(cases, axis).map(({ name, points }) => ({
        type: "line",
        name,
        data: points,
        xAxisIndex: i,
        yAxisIndex: i,
      })),
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
