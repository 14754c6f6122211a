/** All that a person can do on the page. */

import { api, Refused, ServerGone } from "./api.js";
import { copy, save } from "./dom.js";
import { singleKeys } from "./keys.js";
import { playing } from "./playing.js";
import { marksOf, shownHits } from "./state.js";
import { activeFilters, asks, emptyQuery, FILTERS, MOST, parameters, readUrl, TOP, writeUrl } from "./url.js";

const NOTHING_PASSES = /^no video passes the filters;?\s*/;

/** How long a short message stays, in ms. */
const TOAST = 2500;

/** @param {object} page what the modules share @returns {Record<string, Function>} */
export function actions(page) {
  const { get, set } = page;
  let asking = new AbortController();
  let toasting = 0;

  /** Say something for a moment, or until something else is said. */
  const tell = (words, stays = false) => {
    clearTimeout(toasting);
    set({ told: words, toast: words });
    page.setOpen({ told: words });
    if (stays) return;
    toasting = setTimeout(() => {
      set({ toast: "" });
      page.setOpen({ told: "" });
    }, TOAST);
  };

  /** Do without what the server does not offer; tell of everything else. */
  const failed = (name) => (error) => {
    if (error instanceof ServerGone) set({ online: false });
    else if (error instanceof Refused && error.notOffered) set({ lacks: new Set([...get().lacks, name]) });
    else if (error.name !== "AbortError") tell(error.message);
  };

  async function search() {
    asking.abort();
    asking = new AbortController();
    const { query } = get();
    if (!asks(query)) {
      set({ answer: null, refused: null, searching: false });
      return;
    }
    set({ searching: true, fresh: false });
    const asked = parameters(query);
    asked.set("top", String(query.top));
    try {
      const answer = await api.search(asked, asking.signal);
      set({ answer, refused: null, searching: false, online: true });
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error instanceof ServerGone) {
        set({ searching: false, online: false });
        return;
      }
      const filtered = NOTHING_PASSES.test(error.message) && activeFilters(query).length > 0;
      const message = error.message.replace(NOTHING_PASSES, "");
      set({ answer: null, searching: false, refused: { message, filtered } });
    }
  }

  /** Ask what the fields say. */
  function ask(draft, { keep = false } = {}) {
    const query = readUrl(`?${parameters({ ...draft, top: keep ? draft.top : TOP })}`).query;
    set({ query, draft: structuredClone(query), ...(keep ? {} : { focus: 0, unsure: "folded" }) });
    history.pushState(null, "", writeUrl(query));
    scrollTo(0, 0);
    return search();
  }

  const draftWith = (patch) => ({ ...get().draft, ...patch });
  const sentences = (kind, change) => {
    const texts = [...get().draft[kind]];
    change(texts);
    return draftWith({ [kind]: texts });
  };

  const act = {
    tell,
    failed,
    submit: () => ask(get().draft),
    ask: (q) => ask(draftWith({ q })),
    again: () => search(),
    more: () => ask(draftWith({ top: Math.min(MOST, get().query.top * 4) }), { keep: true }),
    draft: (name, value) => set({ draft: draftWith({ [name]: value }) }),
    draftSentence: (kind, number, text) => set({ draft: sentences(kind, (texts) => (texts[number] = text)) }),
    addSentence(kind) {
      set({ draft: sentences(kind, (texts) => texts.push("")) });
      page.drawNow();
      document.getElementById(`${kind}-${get().draft[kind].length - 1}`)?.focus();
    },
    dropSentence(kind, number) {
      const had = get().draft[kind][number];
      const draft = sentences(kind, (texts) => texts.splice(number, 1));
      set({ draft });
      page.drawNow();
      document.getElementById("q").focus();
      if (had) ask(draft);
    },
    filter(name, value) {
      const draft = draftWith({ [name]: value.trim() });
      set({ draft });
      if (asks(draft)) ask(draft);
      else set({ query: structuredClone(draft) });
    },
    filterBy(name, value) {
      act.close();
      act.filter(name, value);
    },
    dropFilters: () => ask(draftWith(Object.fromEntries(FILTERS.map((name) => [name, ""])))),
    toggleFilters: () => set({ filtersOpen: !get().filtersOpen }),
    unfold: (unsure) => set({ unsure, focus: 0 }),
    home(event) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      ask(emptyQuery());
    },
    async retry() {
      try {
        set({ status: await api.status(), online: true });
        await search();
      } catch (error) {
        if (error instanceof ServerGone) tell("The server still does not answer");
        else set({ online: true });
      }
    },
    /** Show what an address says: at the start, and where the browser goes back. */
    async restore({ query, clip, t }) {
      const same = get().answer && parameters(query).toString() === parameters(get().query).toString();
      set({ query, draft: structuredClone(query), ...(same ? {} : { focus: 0, unsure: "folded" }) });
      if (!same) await search();
      if (!clip) {
        if (get().open) set({ open: null });
        return;
      }
      let hit = get().answer?.hits.find((one) => one.clip_id === clip);
      try {
        hit ??= asHit(await api.clip(clip));
      } catch (error) {
        if (error instanceof ServerGone) set({ online: false });
        else tell("The clip of this link is no longer in the library");
        return;
      }
      act.open(hit, t, { replace: true });
    },

    toSearch() {
      if (get().open) return false;
      const field = document.getElementById("q");
      field.focus();
      field.select();
    },
    toggleSheet: () => set({ sheet: !get().sheet }),
    closeSheet: () => set({ sheet: false }),
    setKeys(on) {
      singleKeys.on = on;
      set({});
    },
    select(hit) {
      const selected = new Map(get().selected);
      if (!selected.delete(hit.clip_id)) selected.set(hit.clip_id, hit);
      const count = selected.size;
      set({ selected, told: `${count} selected` });
    },
    selectCurrent() {
      const hit = current();
      if (hit) act.select(hit);
    },
    clearSelection: () => set({ selected: new Map(), told: "Nothing selected" }),
    scrubOn: () => page.grid.step(1),
    scrubBack: () => page.grid.step(-1),
    openFocused() {
      const hit = focused();
      if (hit) act.open(hit, page.grid.scrubbed(), { play: true });
    },
    async copyText(text, what) {
      tell((await copy(text)) ? `The ${what} is copied` : `The ${what} could not be copied`);
    },
    async take(format, hits) {
      const items = hits.map((hit) => {
        const [start, end] = marksOf(get(), hit);
        return { clip_id: hit.clip_id, start, end, score: hit.score ?? 0, ...(hit.best_frame != null && { best_frame: hit.best_frame }) };
      });
      for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
      tell("Preparing the file…", true);
      try {
        const { name, blob } = await api.taken({ format, items, query: get().query.q });
        save(name, blob);
        tell(`Saved ${name}`);
      } catch (error) {
        failed("export")(error);
        if (error.notOffered) tell("This server does not export");
      }
    },
    async update() {
      try {
        await api.index({});
        set({ progress: { done: 0, total: 0 } });
        tell("Looking for new videos");
      } catch (error) {
        failed("index")(error);
      }
    },
  };

  const focused = () => {
    const element = document.activeElement?.closest?.(".card");
    return element ? shownHits(get())[Number(element.dataset.index)] : null;
  };
  const current = () => get().open?.hit ?? focused();

  return Object.assign(act, playing(page, act, current));
}

/** A clip of `/api/clips/{id}` in the form of a hit. */
export function asHit(clip) {
  const [start, end] = clip.window ?? [clip.start ?? 0, clip.end ?? 0];
  return {
    best_frame: start,
    parts: {},
    score: null,
    moments: [],
    copies: [],
    source: "seen",
    ...clip,
    video: clip.video ?? clip.path ?? "",
    start: clip.start ?? start,
    end: clip.end ?? end,
    window: [start, end],
  };
}
