/** All that the page knows, and which of its states that is. */

import { emptyQuery } from "./url.js";

/**
 * A hit as `/api/search` gives it.
 * @typedef {object} Hit
 * @property {string} clip_id @property {string} file_id @property {string} video
 * @property {number} start @property {number} end @property {number} best_frame
 * @property {number} score @property {Record<string, number>} parts
 * @property {[number, number]} window @property {[number, number][]} moments
 * @property {string} source @property {string} [said] @property {string} [fits]
 * @property {string[]} copies
 */

/** Hits that are shown where nothing clearly fits. */
export const CLOSEST = 3;

export const initialState = () => ({
  /** @type {import("./url.js").Query} */
  query: emptyQuery(),
  /** The fields as they stand on the page, before they are asked. */
  draft: emptyQuery(),
  answer: null,
  searching: false,
  refused: null,
  online: true,
  status: null,
  progress: null,
  fresh: false,
  problems: [],
  tags: [],
  focus: 0,
  /** Nothing clearly fits: "folded", "closest" or "all". */
  unsure: "folded",
  filtersOpen: false,
  /** @type {Map<string, Hit>} */
  selected: new Map(),
  marks: new Map(),
  judged: new Map(),
  sheet: false,
  told: "",
  lacks: new Set(),
  /** The player; null where it is closed. */
  open: null,
});

/** The hits that are shown now. @returns {Hit[]} */
export function shownHits(state) {
  const hits = state.answer?.hits ?? [];
  if (!isUnsure(state) || state.unsure === "all") return hits;
  return state.unsure === "closest" ? hits.slice(0, CLOSEST) : [];
}

/** Whether no clip clearly fits, and none says the words. */
export function isUnsure(state) {
  const { answer } = state;
  return Boolean(answer?.hits.length && answer.confidence?.level === "none" && !answer.said);
}

/** Which of its states the page is in, apart from those of the player. */
export function pageState(state) {
  if (!state.online) return "gone";
  if (state.refused) return state.refused.filtered ? "filtered" : "refused";
  const empty = state.status && !state.status.clips;
  if (state.answer && !(empty && !state.answer.hits.length)) {
    if (isUnsure(state)) return "unsure";
    return state.answer.hits.length ? "results" : "nothing";
  }
  if (state.searching) return "searching";
  if (empty) return state.progress ? "indexing" : "empty";
  return "start";
}

/** Whether the hits answer another question than the one that was asked last and failed. */
export const isStale = (state) => !state.online && state.answer?.query !== state.query.q;

/** The level of a hit: its own where the server says so, else that of the answer for the best. */
export function levelOf(state, hit, index) {
  const own = hit.confidence?.level ?? hit.level;
  if (own) return own;
  return index === 0 && !isUnsure(state) ? (state.answer?.confidence?.level ?? null) : null;
}

/** In and out of a hit: as marked, else its moment. */
export const marksOf = (state, hit) => state.marks.get(hit.clip_id) ?? [hit.start, hit.end];
