/** What every module draws with. */

export { html, nothing, render, svg } from "./vendor/lit-html/lit-html.js";
export { repeat } from "./vendor/lit-html/directives/repeat.js";
export { live } from "./vendor/lit-html/directives/live.js";

import { html, svg } from "./vendor/lit-html/lit-html.js";

const SHAPES = {
  search: "M7 12.5a5.5 5.5 0 1 1 0-11 5.5 5.5 0 0 1 0 11m4-1.5 4 4",
  close: "m3 3 10 10M13 3 3 13",
  check: "m2.5 8.5 3.5 4 7.5-9",
  left: "m10.5 2-6 6 6 6",
  right: "m5.5 2 6 6-6 6",
  up: "M5 7v7H2V7zm0 0 3-6c1.5 0 2 1 2 2L9.5 6H13c1 0 1.6.8 1.4 1.8l-1 4.8c-.2.8-.8 1.4-1.6 1.4H5",
  down: "M11 9V2h3v7zm0 0-3 6c-1.5 0-2-1-2-2l.5-3H3c-1 0-1.6-.8-1.4-1.8l1-4.800C2.8 2.6 3.4 2 4.2 2H11",
  filter: "M1.5 3.500h13M4 8h8m-5.5 4.500h3",
  plus: "M8 2.500v11M2.5 8h11",
  link: "M6.5 9.500a3 3 0 0 0 4.2 0l3-3a3 3 0 0 0-4.2-4.200l-.8.8M9.5 6.500a3 3 0 0 0-4.2 0l-3 3a3 3 0 0 0 4.2 4.200l.8-.8",
  film: "M2 2.500h12v11H2zm3 0v11m6-11v11M2 6h3M2 10h3m6-4h3m-3 4h3",
};

/** A small drawing beside words; never the only sign. @param {keyof SHAPES} name */
export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${svg`<path d=${SHAPES[name]} />`}</svg>`;

/** Whether keys typed at an element are text. @param {Element | null} element */
export const takesText = (element) =>
  element instanceof HTMLElement &&
  (element.isContentEditable ||
    element.matches(
      "textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=range])",
    ));

/** Copy text, also where the page has no permission to the clipboard. @returns {Promise<boolean>} */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "unseen";
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    const before = document.activeElement;
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus?.();
    return done;
  }
}

/** Give the person a file. @param {string} name @param {Blob} blob */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
