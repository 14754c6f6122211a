/** What is selected, and taking it along. */

import { html, icon, nothing } from "./dom.js";
import { counted } from "./format.js";

/** Files that can be made of hits. */
export const FORMATS = [
  ["csv", "CSV", "a table"],
  ["json", "JSON", "for scripts"],
  ["edl", "EDL", "most editors"],
  ["otio", "OTIO", "OpenTimelineIO"],
  ["fcpxml", "FCPXML", "Final Cut Pro"],
  ["clips", "Clip files", "the moments as videos, in a ZIP"],
];

const formatsOf = (status) => {
  const offered = status?.exports;
  return offered ? FORMATS.filter(([name]) => offered.includes(name)) : FORMATS;
};

/** A menu of files. @param {object} state @param {object} act @param {import("./state.js").Hit[]} hits */
export function exportMenu(state, act, hits, label = "Export") {
  if (state.lacks.has("export") || !formatsOf(state.status).length) return nothing;
  return html`<details class="menu export">
    <summary class="button">${label}</summary>
    <div class="sheet">
      ${formatsOf(state.status).map(
        ([name, words, what]) => html`<button type="button" class="item" @click=${() => act.take(name, hits)}>
          <b>${words}</b> <span>${what}</span>
        </button>`,
      )}
    </div>
  </details>`;
}

/** The bar at the lower edge while something is selected. */
export function selectionBar(state, act) {
  const hits = [...state.selected.values()];
  if (!hits.length) return nothing;
  return html`<section class="selection" aria-label="Selection">
    <b>${counted(hits.length, "clip")} selected</b>
    ${exportMenu(state, act, hits)}
    <button type="button" class="quiet" @click=${act.clearSelection}>${icon("close")} Clear</button>
  </section>`;
}
