/** What a person can do in the player. */

import { api, made, ServerGone } from "./api.js";
import { copy } from "./dom.js";
import { moment } from "./format.js";
import { Ladder } from "./ladder.js";
import { film, JUMP, moveHead, playedAt, seek } from "./player.js";
import { marksOf, shownHits } from "./state.js";
import { writeUrl } from "./url.js";

/** Seconds between in and out, at least. */
const LEAST = 0.1;

/** Length of a frame where nobody knows it. */
const FRAME = 1 / 25;

/** Seconds of a preview before its clip, where the server does not tell. */
const MARGIN = 2;

/** @param {object} page @param {object} act the other actions @param {() => object} current */
export function playing(page, act, current) {
  const { get, set, setOpen } = page;
  let addressing = 0;
  const isOpen = (open) => get().open === open;

  /** Ask for something that belongs to the clip; it is dropped if another one is open by then. */
  async function load(name, lacking, request) {
    const { open } = get();
    if (!open || open.asked[name] || get().lacks.has(lacking)) return;
    open.asked[name] = open.loading[name] = true;
    try {
      const found = await request(open);
      if (isOpen(open)) setOpen(found);
    } catch (error) {
      if (error instanceof ServerGone || error.notOffered) act.failed(lacking)(error);
      else open.errors[name] = error.message;
    } finally {
      open.loading[name] = false;
      if (isOpen(open)) set({});
    }
  }

  const loadFile = () =>
    load("file", "file", async ({ hit }) => {
      const file = await api.file(hit.file_id);
      return file.here === false ? { file, gone: true } : { file };
    });
  const loadLine = () => {
    const { q } = get().query;
    if (q)
      load("timeline", "timeline", async ({ hit }) => ({ timeline: await api.timeline(hit.file_id, q) }));
  };
  const loadTab = () => {
    const { open, query } = get();
    if (open?.tab === "similar")
      load("similar", "similar", async ({ hit }) => ({ similar: asHits(await api.similar(hit.clip_id)) }));
    if (open?.tab === "evidence" && query.q)
      load("evidence", "evidence", async ({ hit }) => ({
        evidence: await api.evidence(hit.clip_id, query.q, false),
      }));
  };

  /** Have the film of the rung made, or go on to the next. */
  async function make(open) {
    const { rung } = open.ladder;
    if (rung === "direct" || rung === "stills") return;
    try {
      const { start, rung: reached } = await made(open.hit.clip_id, rung);
      open.ladder.reach(reached);
      open.offset = start ?? (reached === "preview" ? Math.max(0, open.hit.window[0] - MARGIN) : 0);
      if (isOpen(open)) setOpen({ made: open.ladder.rung });
    } catch (error) {
      if (error instanceof ServerGone) act.failed("play")(error);
      else if (isOpen(open)) act.rungFailed(rung);
    }
  }

  const by = (step) => {
    const { open } = get();
    const hits = shownHits(get());
    const at = open ? hits.findIndex((hit) => hit.clip_id === open.hit.clip_id) : -1;
    const hit = at < 0 ? null : hits[at + step];
    if (hit) act.open(hit, null, { play: true, keepTab: true });
    else act.tell(step > 0 ? "This is the last hit" : "This is the first hit");
  };

  const move = (seconds) => {
    const { open } = get();
    seek(open, playedAt(open) + seconds);
    act.timed();
  };

  const frame = (step) => {
    const { open } = get();
    film()?.pause();
    move(step / (open.file?.fps || 1 / FRAME));
  };

  const mark = (side) => {
    const { open, marks } = get();
    const [from, to] = marksOf(get(), open.hit);
    const t = playedAt(open);
    const pair =
      side === "in"
        ? [t, Math.max(to, t + LEAST)]
        : [Math.max(0, Math.min(from, t - LEAST)), Math.max(t, LEAST)];
    set({ marks: new Map(marks).set(open.hit.clip_id, pair) });
    act.tell(`${side === "in" ? "In" : "Out"} at ${moment(t)}`);
  };

  const openTab = (tab) => {
    const hit = current();
    if (!hit) return false;
    if (get().open) act.tab(tab, true);
    else act.open(hit, page.grid.scrubbed(), { tab });
    return true;
  };

  return {
    /** Open a hit at a second of its file; null is where its moment begins. */
    open(hit, t = null, { play = false, tab = null, keepTab = false, replace = false } = {}) {
      const before = get().open;
      const known = before && before.hit.file_id === hit.file_id;
      const open = {
        hit,
        t: t ?? hit.start,
        ladder: new Ladder(hit.playback?.rung ?? hit.rung),
        play,
        tab: tab ?? (keepTab && before ? before.tab : "evidence"),
        file: known ? before.file : null,
        gone: Boolean(hit.missing) || (known && before.gone),
        asked: { file: known },
        loading: {},
        errors: {},
        made: "",
        offset: 0,
        place: null,
        picture: null,
        still: null,
      };
      if (before) forget(before);
      page.grid.calm();
      set({ open });
      const url = writeUrl(get().query, hit.clip_id, open.t);
      history[before || replace ? "replaceState" : "pushState"](null, "", url);
      page.drawNow();
      make(open);
      loadFile();
      loadLine();
      loadTab();
    },
    close: () => document.getElementById("player")?.close(),
    cancelled(event) {
      if (event.target.id !== "player") return;
      const menus = [...event.target.querySelectorAll("details.menu[open]")];
      for (const menu of menus) menu.open = false;
      if (menus.length) event.preventDefault();
    },
    closed() {
      const { open } = get();
      if (!open) return;
      const at = shownHits(get()).findIndex((hit) => hit.clip_id === open.hit.clip_id);
      forget(open);
      set({ open: null });
      history.replaceState(null, "", writeUrl(get().query));
      page.drawNow();
      if (at >= 0) page.grid.go(at);
      else document.getElementById("main").focus();
    },
    async rungFailed(rung) {
      const { open } = get();
      if (!open || !open.ladder.fail(rung)) return;
      set({});
      if (rung === "direct" && (await api.present(open.hit.file_id)) === false && isOpen(open))
        setOpen({ gone: true });
      if (isOpen(open) && !open.gone) make(open);
    },
    loaded(element) {
      const { open } = get();
      if (!open) return;
      setOpen({ picture: pictureIn(element) });
      if (open.play) element.play().catch(() => {});
      open.play = false;
    },
    timed() {
      const { open } = get();
      if (!open) return;
      open.t = playedAt(open);
      moveHead(get());
      clearTimeout(addressing); // browsers refuse addresses that change too often
      addressing = setTimeout(() => {
        if (isOpen(open)) history.replaceState(null, "", writeUrl(get().query, open.hit.clip_id, open.t));
      }, 500);
    },
    seekTo(seconds) {
      seek(get().open, seconds);
      act.timed();
    },
    toggle() {
      const element = film();
      if (!element) return;
      if (element.paused) element.play().catch(() => {});
      else element.pause();
    },
    back: () => move(-JUMP),
    on: () => move(JUMP),
    frameBack: () => frame(-1),
    frameOn: () => frame(1),
    next: () => by(1),
    previous: () => by(-1),
    toMoment: () => act.seekTo(get().open.hit.start),
    markIn: () => mark("in"),
    markOut: () => mark("out"),
    toEvidence: () => openTab("evidence"),
    toSimilar: () => openTab("similar"),
    tab(tab, focus = false) {
      setOpen({ tab, place: null });
      page.drawNow();
      if (focus) document.getElementById(`tab-${tab}`)?.focus();
      loadTab();
    },
    async copyLink() {
      const { open, query } = get();
      const url = location.origin + writeUrl(query, open.hit.clip_id, playedAt(open));
      act.tell((await copy(url)) ? "The link is copied" : url);
    },
    findPlaces: () =>
      load("places", "places", async ({ hit }) => {
        const evidence = await api.evidence(hit.clip_id, get().query.q, true);
        return { evidence, still: stillOf(evidence.picture) };
      }),
    showPlace(place) {
      film()?.pause();
      if (place) seek(get().open, place.seconds);
      const element = film();
      setOpen({ place, picture: element ? pictureIn(element) : null });
    },
    async tag(name, remove) {
      const { open } = get();
      try {
        await api.tag({ file_ids: [open.hit.file_id], tags: [name], remove });
        const tags = (open.file?.tags ?? []).filter((tag) => tag !== name);
        setOpen({ file: { ...open.file, tags: remove ? tags : [...tags, name].sort() } });
        const known = new Set(get().tags);
        if (!remove) set({ tags: [...known.add(name)].sort() });
        act.tell(remove ? `No longer tagged ${name}` : `Tagged ${name}`);
      } catch (error) {
        act.failed("tags")(error);
      }
    },
    async judge(right) {
      const { open, judged, query } = get();
      try {
        await api.feedback({ q: query.q, clip_id: open.hit.clip_id, right });
        set({ judged: new Map(judged).set(open.hit.clip_id, right) });
        act.tell(right ? "Noted: this is what you searched for" : "Noted: this is something else");
      } catch (error) {
        act.failed("feedback")(error);
      }
    },
  };
}

/** The frame that was looked at, where no film can show it. */
function stillOf(picture) {
  if (!picture?.jpeg) return null;
  const bytes = Uint8Array.from(atob(picture.jpeg), (letter) => letter.charCodeAt(0));
  return { seconds: picture.seconds, url: URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" })) };
}

/** Give the memory of a still back. */
const forget = ({ still }) => still && URL.revokeObjectURL(still.url);

/** Where the picture lies within the element of the film, in pixels. */
function pictureIn(element) {
  const { clientWidth: w, clientHeight: h, videoWidth, videoHeight } = element;
  const scale = Math.min(w / (videoWidth || w), h / (videoHeight || h));
  const [width, height] = [(videoWidth || w) * scale, (videoHeight || h) * scale];
  return {
    x: element.offsetLeft + (w - width) / 2,
    y: element.offsetTop + (h - height) / 2,
    w: width,
    h: height,
  };
}

/** Similar clips in the form of hits. */
export function asHits(found) {
  return found.hits.map((hit) => ({
    moments: [],
    copies: [],
    source: "seen",
    parts: {},
    best_frame: hit.start,
    window: [hit.start, hit.end],
    ...hit,
  }));
}
