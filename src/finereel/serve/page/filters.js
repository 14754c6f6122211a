/** The search form: the sentence, further sentences, and what lets only some videos pass. */

import { html, icon, live, nothing } from "./dom.js";
import { FILTERS, SENTENCES, activeFilters } from "./url.js";

/** What each further sentence does. */
export const SENTENCE_WORDS = {
  not: ["Not", "must not happen in the clip"],
  or: ["Or", "may happen instead"],
  and: ["And", "happens in the same clip as well"],
  versus: ["Versus", "compare: which of the two fits better"],
  then: ["Then", "happens next in the same video, within 30 s"],
};

/** How a filter is named beside its value. */
export const FILTER_WORDS = {
  since: "recorded since",
  until: "recorded until",
  folder: "in folder",
  min_s: "at least",
  max_s: "at most",
  tag: "tagged",
};

const UNITS = { min_s: " s", max_s: " s" };

/** A word that the sentence would not understand. */
const NEGATION = /\b(not|without|no|never|nobody|nothing|isn't|doesn't|don't)\b/i;

/** A filter in words: `recorded since 2026-05-01`. */
export const filterWords = (name, value) => `${FILTER_WORDS[name]} ${value}${UNITS[name] ?? ""}`;

const sentenceRows = (state, act) =>
  SENTENCES.flatMap((kind) =>
    state.draft[kind].map(
      (text, number) => html`<div class="sentence ${kind}">
        <label for="${kind}-${number}" title=${SENTENCE_WORDS[kind][1]}>${SENTENCE_WORDS[kind][0]}</label>
        <input
          id="${kind}-${number}"
          type="text"
          autocomplete="off"
          placeholder=${SENTENCE_WORDS[kind][1]}
          .value=${live(text)}
          @input=${(event) => act.draftSentence(kind, number, event.target.value)}
        />
        <button type="button" class="plain" aria-label="Remove ${SENTENCE_WORDS[kind][0]}" @click=${() => act.dropSentence(kind, number)}>
          ${icon("close")}
        </button>
      </div>`,
    ),
  );

const field = (name, label, control, unit = "") =>
  html`<div class="field"><label for="f-${name}">${label}</label><span>${control}${unit ? html`<span class="unit">${unit}</span>` : nothing}</span></div>`;

function filterFields(state, act) {
  const input = (name, type, extra = {}) => html`<input
    id="f-${name}"
    type=${type}
    min=${type === "number" ? 0 : nothing}
    step=${type === "number" ? "any" : nothing}
    list=${extra.list ?? nothing}
    placeholder=${extra.placeholder ?? nothing}
    autocomplete="off"
    .value=${live(state.draft[name])}
    @change=${(event) => act.filter(name, event.target.value)}
  />`;
  const folders = state.status?.folders ?? [];
  const tags = state.tags.length
    ? html`<select id="f-tag" @change=${(event) => act.filter("tag", event.target.value)}>
        <option value="" ?selected=${!state.draft.tag}>any</option>
        ${state.tags.map((tag) => html`<option value=${tag} ?selected=${tag === state.draft.tag}>${tag}</option>`)}
      </select>`
    : input("tag", "text", { placeholder: "any" });
  return html`<div id="filters" class="filters" ?hidden=${!state.filtersOpen}>
    ${field("since", "Recorded since", input("since", "date"))}
    ${field("until", "Recorded until", input("until", "date"))}
    ${field("folder", "Folder", input("folder", "text", { list: "folders", placeholder: "any" }))}
    ${field("min_s", "Video at least", input("min_s", "number"), "s")}
    ${field("max_s", "Video at most", input("max_s", "number"), "s")}
    ${field("tag", "Tag", tags)}
    ${field(
      "per_video",
      "Moments of a video",
      html`<select id="f-per_video" @change=${(event) => act.filter("per_video", event.target.value)}>
        ${[
          ["", "the best one"],
          ["3", "up to 3"],
          ["10", "up to 10"],
        ].map(
          ([value, words]) =>
            html`<option value=${value} ?selected=${value === state.draft.per_video}>${words}</option>`,
        )}
      </select>`,
    )}
    <datalist id="folders">${folders.map((folder) => html`<option value=${folder}></option>`)}</datalist>
  </div>`;
}

const chips = (state, act) =>
  activeFilters(state.query).map(
    ([
      name,
      value,
    ]) => html`<button type="button" class="chip" aria-label="Remove the filter ${filterWords(name, value)}" @click=${() => act.filter(name, "")}>
      ${filterWords(name, value)} ${icon("close")}
    </button>`,
  );

/** The form above the hits. @param {object} state @param {object} act */
export function searchForm(state, act) {
  const negated = NEGATION.exec(state.query.q);
  const count = FILTERS.filter((name) => state.query[name]).length;
  return html`<form
    role="search"
    @submit=${(event) => {
      event.preventDefault();
      act.submit();
    }}
  >
    <div class="ask">
      <label class="unseen" for="q">What happens in the clip</label>
      ${icon("search")}
      <input
        id="q"
        type="search"
        enterkeyhint="search"
        autocomplete="off"
        placeholder="What happens in the clip?"
        .value=${live(state.draft.q)}
        @input=${(event) => act.draft("q", event.target.value)}
      />
      <kbd class="hint" aria-hidden="true">/</kbd>
      <button class="primary" type="submit">Search</button>
    </div>
    ${sentenceRows(state, act)}
    <div class="refine">
      <span class="adds" role="group" aria-label="Add a sentence">
        ${SENTENCES.map(
          (
            kind,
          ) => html`<button type="button" class="add" aria-label=${SENTENCE_WORDS[kind][0]} title=${SENTENCE_WORDS[kind][1]} @click=${() => act.addSentence(kind)}>
            ${icon("plus")}${SENTENCE_WORDS[kind][0]}
          </button>`,
        )}
      </span>
      <button type="button" class="add" aria-expanded=${state.filtersOpen} aria-controls="filters" @click=${act.toggleFilters}>
        ${icon("filter")}Filters${count ? ` (${count})` : ""}
      </button>
      ${chips(state, act)}
    </div>
    ${filterFields(state, act)}
    ${
      negated && !state.query.not.length
        ? html`<p class="advice">
          “${negated[0]}” within a sentence is not understood.
          <button type="button" class="inline" @click=${() => act.addSentence("not")}>Name what must not happen in a field of its own</button>
        </p>`
        : nothing
    }
  </form>`;
}
