/** Which key does what: one table, from which the sheet is drawn too. */

import { html } from "./dom.js";

/**
 * keys: as `KeyboardEvent.key` in lower case; shown: as on the sheet; where: on the list, in the
 * player, or both; act: the action, "" for what is done elsewhere.
 * @typedef {{keys: string[], shown: string[], does: string, where: "any" | "list" | "player", act: string}} Key
 */

const key = (keys, shown, does, where, act) => ({ keys, shown, does, where, act });

/** @type {Key[]} */
export const KEYS = [
  key(["/"], ["/"], "Go to the search field", "any", "toSearch"),
  key(["?"], ["?"], "Show or hide this sheet", "any", "toggleSheet"),
  key(["x"], ["X"], "Select", "any", "selectCurrent"),
  key(["e"], ["E"], "Evidence", "any", "toEvidence"),
  key(["s"], ["S"], "Similar clips", "any", "toSimilar"),
  key([], ["Esc"], "Close, or hide the strip", "any", ""),
  key([], ["Arrows", "Home", "End"], "Move between hits", "list", ""),
  key(["shift+arrowright", "."], ["Shift →", "."], "Next picture of the strip", "list", "scrubOn"),
  key(["shift+arrowleft", ","], ["Shift ←", ","], "The picture before", "list", "scrubBack"),
  key(["enter"], ["Enter"], "Play the moment, or from the picture reached", "list", "openFocused"),
  key([" ", "k"], ["Space", "K"], "Play or pause", "player", "toggle"),
  key(["j"], ["J"], "5 s back", "player", "back"),
  key(["l"], ["L"], "5 s on", "player", "on"),
  key([","], [","], "One frame back", "player", "frameBack"),
  key(["."], ["."], "One frame on", "player", "frameOn"),
  key(["m"], ["M"], "To the moment", "player", "toMoment"),
  key(["n"], ["N"], "Next hit", "player", "next"),
  key(["p"], ["P"], "The hit before", "player", "previous"),
  key(["i"], ["I"], "In: the moment begins here", "player", "markIn"),
  key(["o"], ["O"], "Out: the moment ends here", "player", "markOut"),
  key(["c"], ["C"], "Copy the link", "player", "copyLink"),
];

/** What a key press means; null for nothing. @param {KeyboardEvent} event @param {"list" | "player"} where */
export function meant(event, where, singlesOn) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const pressed = event.key.toLowerCase();
  const shifted = event.shiftKey && pressed.startsWith("arrow") ? `shift+${pressed}` : pressed;
  const found = KEYS.find(
    (one) => one.keys.includes(shifted) && (one.where === "any" || one.where === where),
  );
  const character = !shifted.includes("arrow") && pressed !== "enter";
  return !found || (character && !singlesOn) ? null : found.act;
}

const STORED = "finereel.single-keys";

/** Whether keys of one character are on; the browser keeps it. */
export const singleKeys = {
  get on() {
    try {
      return localStorage.getItem(STORED) !== "off";
    } catch {
      return true;
    }
  },
  set on(value) {
    try {
      localStorage.setItem(STORED, value ? "on" : "off");
    } catch {
      // private windows may keep nothing
    }
  },
};

const group = (title, where) => html`<section>
  <h3>${title}</h3>
  <dl>
    ${KEYS.filter((one) => one.where === where).map((one) => html`<div><dt>${one.shown.map((name) => html`<kbd>${name}</kbd> `)}</dt><dd>${one.does}</dd></div>`)}
  </dl>
</section>`;

/** The sheet of shortcuts, a dialog. */
export function keySheet(state, act) {
  return html`<dialog id="keys" aria-labelledby="keys-title" @close=${act.closeSheet}>
    <header>
      <h2 id="keys-title">Keys</h2>
      <button type="button" class="plain" aria-label="Close" @click=${act.closeSheet}>✕</button>
    </header>
    <div class="groups">${group("Everywhere", "any")}${group("On a hit", "list")}${group("In the player", "player")}</div>
    <label class="switch">
      <input type="checkbox" .checked=${singleKeys.on} @change=${(event) => act.setKeys(event.target.checked)} />
      Keys of a single character are on
    </label>
  </dialog>`;
}
