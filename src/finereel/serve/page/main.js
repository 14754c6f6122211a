/** Starts the page: holds the state, draws it, and does what is asked. */

import { actions } from "./actions.js";
import { api, listen, ServerGone } from "./api.js";
import { html, nothing, render, takesText } from "./dom.js";
import { searchForm } from "./filters.js";
import { Grid } from "./grid.js";
import { keySheet, meant, singleKeys } from "./keys.js";
import { ending, indexing, libraryMenu, notices, summary, verdict } from "./notices.js";
import { player } from "./player.js";
import { selectionBar } from "./selection.js";
import { initialState, isStale, pageState } from "./state.js";
import { readUrl } from "./url.js";

const root = document.getElementById("page");
let state = initialState();
let waiting = false;

/** What the modules share. */
export const page = {
  get: () => state,
  set(patch) {
    state = { ...state, ...patch };
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(draw);
  },
  /** Change the player, if one is open. */
  setOpen(patch) {
    if (state.open) page.set({ open: Object.assign(state.open, patch) });
  },
  drawNow: () => draw(),
};

page.act = actions(page);
const grid = (page.grid = new Grid(page));
const { act } = page;

function draw() {
  waiting = false;
  const now = pageState(state);
  document.body.dataset.state = now;
  document.title = state.query.q ? `${state.query.q} - Finereel` : "Finereel";
  document.body.classList.toggle("selecting", state.selected.size > 0);
  render(view(), root);
  for (const [name, wanted] of [
    ["player", state.open],
    ["keys", state.sheet],
  ]) {
    const dialog = document.getElementById(name);
    if (wanted && !dialog.open) dialog.showModal();
    if (!wanted && dialog?.open) dialog.close();
  }
}

const view = () => html`
  <a class="skip" href="#main">Skip to the hits</a>
  <header>
    <div class="top">
      <h1><a href="/" @click=${act.home}>Finereel</a></h1>
      ${searchForm(state, act)}
      <div class="tools">
        ${libraryMenu(state, act)}
        <button type="button" class="plain" aria-label="Keys" title="Keys (?)" @click=${act.toggleSheet}>?</button>
      </div>
    </div>
    ${indexing(state)}
  </header>
  <main id="main" tabindex="-1" aria-busy=${state.searching}>
    ${state.fresh && state.answer ? html`<p class="fresh"><button type="button" class="quiet" @click=${act.again}>New clips were indexed: search again</button></p>` : nothing}
    ${verdict(state)} ${notices(state, act)}
    ${(state.answer?.notes ?? []).map((note) => html`<p class="advice">${note}</p>`)}
    ${isStale(state) ? nothing : grid.view(state)} ${ending(state, act)}
  </main>
  ${selectionBar(state, act)} ${player(state, act)} ${state.sheet ? keySheet(state, act) : nothing}
  <p class="unseen" role="status">${state.searching ? "Searching" : [summary(state), state.told].filter(Boolean).join(". ")}</p>
  ${state.toast && !state.open ? html`<p class="toast" aria-hidden="true">${state.toast}</p>` : nothing}
`;

function pressed(event) {
  if (event.defaultPrevented) return;
  const { target } = event;
  const typing = takesText(target);
  if (event.key === "Escape") {
    if (closeMenus() || (!state.open && grid.calm())) event.preventDefault();
    else if (typing && !state.open) target.blur();
    return;
  }
  if (typing) {
    if (event.key === "ArrowDown" && target.id === "q" && grid.list) {
      event.preventDefault();
      grid.go(state.focus);
    }
    return;
  }
  const inList = target instanceof Element && target.closest("#hits");
  if (
    inList &&
    !event.shiftKey &&
    !event.ctrlKey &&
    !event.metaKey &&
    !event.altKey &&
    grid.move(event.key)
  ) {
    event.preventDefault();
    return;
  }
  if (event.key === " " && target instanceof Element && target.closest("button, summary, a, video, input"))
    return;
  if (event.key === "Enter" && !inList) return;
  if (state.sheet && event.key !== "?") return;
  const name = meant(event, state.open ? "player" : "list", singleKeys.on);
  if (!name) return;
  if (act[name](event) !== false) event.preventDefault();
}

/** Close every menu. @returns {boolean} whether one was open */
function closeMenus(except = null) {
  const open = [...document.querySelectorAll("details.menu[open]")].filter((menu) => menu !== except);
  for (const menu of open) {
    const inside = menu.contains(document.activeElement);
    menu.open = false;
    if (inside) menu.firstElementChild.focus();
  }
  return open.length > 0;
}

async function lookAtLibrary() {
  try {
    page.set({ status: await api.status() });
  } catch (error) {
    if (error instanceof ServerGone) page.set({ online: false });
  }
  api.problems().then(
    (found) => page.set({ problems: found.problems ?? found ?? [] }),
    () => {},
  );
  api.tags().then(
    (found) => page.set({ tags: (found.tags ?? found ?? []).map((tag) => tag.name ?? tag.tag ?? tag) }),
    () => {},
  );
}

function hear() {
  listen({
    progress(told) {
      page.set({ progress: told });
    },
    commit(told) {
      const fresh = Boolean(state.answer) && told.commit !== state.answer.commit;
      if (fresh && !state.answer.hits.length)
        act.again(); // nothing is being read that could move
      else page.set({ fresh });
      if (told.commit !== state.status?.commit) lookAtLibrary();
    },
    indexed() {
      page.set({ progress: null });
      lookAtLibrary();
    },
    problem(told) {
      if (told.path) page.set({ problems: [...state.problems, told] });
      else act.tell(told.message ?? "The library cannot be read now");
    },
    found() {
      if (!state.online) act.retry();
    },
    lost(forGood) {
      if (!forGood) api.status().catch((error) => error instanceof ServerGone && page.set({ online: false }));
    },
  });
}

function begin() {
  const { query, clip, t } = readUrl(location.search);
  page.set({ query, draft: structuredClone(query) });
  draw();
  addEventListener("keydown", pressed);
  addEventListener("popstate", () => act.restore(readUrl(location.search)));
  addEventListener("pointerdown", (event) => closeMenus(event.target.closest?.("details.menu")));
  new ResizeObserver(() => grid.list && page.set({})).observe(document.getElementById("main"));
  lookAtLibrary();
  act.restore({ query, clip, t });
  hear();
  if (!query.q && matchMedia("(hover: hover)").matches) document.getElementById("q").focus();
}

begin();
