/** What stands in place of hits, or above them: the states of the page in plain words. */

import { html, icon, nothing } from "./dom.js";
import { bytes, counted, nameOf, remaining, rightIn, shareOf, LEVELS } from "./format.js";
import { filterWords } from "./filters.js";
import { CLOSEST, isUnsure, pageState, shownHits } from "./state.js";
import { activeFilters, MOST } from "./url.js";

const command = (words, act) => html`<span class="command">
  <code>${words}</code>
  <button type="button" class="quiet" @click=${() => act.copyText(words, "command")}>Copy</button>
</span>`;

const notice = (title, ...body) => html`<section class="notice whole" aria-labelledby="notice-title">
  <h2 id="notice-title">${title}</h2>
  ${body}
</section>`;

/** How far indexing is. @param {object} state */
export function indexing(state) {
  const { progress } = state;
  if (!progress) return nothing;
  const { done = 0, total = 0 } = progress;
  const left = progress.seconds_left;
  return html`<div class="indexing">
    <span class="doing">Indexing ${progress.path ? nameOf(progress.path).name : "videos"}</span>
    <progress aria-label="Indexing" max=${total || 1} .value=${done}></progress>
    <span class="numbers">${total ? `${done.toLocaleString("en")} of ${counted(total, "video")}` : "counting"}${left != null ? `, ${remaining(left)} left` : ""}</span>
    <span class="quietly">What is indexed can be searched already.</span>
  </div>`;
}

/** What to type to index a folder into this library. */
const indexCommand = ({ path }) =>
  !path || path.endsWith("/.finereel")
    ? "finereel index ~/Videos"
    : `finereel index ~/Videos --library ${/^[\w/.:-]+$/.test(path) ? path : `"${path}"`}`;

function start(state, act) {
  const { status } = state;
  const examples = ["a dog", "someone cooks", "a person plays guitar"];
  return html`<section class="start">
    <h2 class="lead">Describe a moment in plain English</h2>
    <p>${status ? `${counted(status.videos, "video")}, ${counted(status.clips, "clip")}` : ""}</p>
    <p class="examples">${examples.map((words) => html`<button type="button" class="chip" @click=${() => act.ask(words)}>${words}</button>`)}</p>
    <ul class="hints">
      <li><b>"good morning"</b> in quotes finds who says exactly that</li>
      <li><b>Not, Or, And, Versus, Then</b> take a sentence each</li>
      <li><kbd>?</kbd> shows all keys; everything works without a mouse</li>
    </ul>
  </section>`;
}

function filtered(state, act) {
  const { refused, query } = state;
  const counts = refused.counts ?? {};
  return notice(
    "No video passes the filters",
    html`<p>${refused.message}</p>
      <ul class="drops">
        ${activeFilters(query).map(
          ([name, value]) => html`<li>
            <button type="button" @click=${() => act.filter(name, "")}>Drop “${filterWords(name, value)}”</button>
            ${counts[name] != null ? html`<span>${counted(counts[name], "video")} pass it</span>` : nothing}
          </li>`,
        )}
      </ul>
      <button type="button" class="quiet" @click=${act.dropFilters}>Drop all filters</button>`,
  );
}

function unsure(state, act) {
  const { hits } = state.answer;
  const closest = Math.min(CLOSEST, hits.length);
  const open = state.unsure !== "folded";
  return html`<section class="notice unsure">
    <h2>Nothing clearly fits “${state.answer.query}”.</h2>
    <div class="buttons">
      <button type="button" aria-expanded=${open} @click=${() => act.unfold(open ? "folded" : "closest")}>
        ${open ? "Hide" : "Show"} the closest ${closest === 1 ? "one" : ["", "", "two", "three"][closest]}
      </button>
      ${
        open && hits.length > closest && state.unsure !== "all"
          ? html`<button type="button" class="quiet" @click=${() => act.unfold("all")}>Show all ${hits.length}</button>`
          : nothing
      }
    </div>
    ${open ? html`<p class="quietly">The closest: ${why(state.answer.confidence)}.</p>` : nothing}
  </section>`;
}

/** Whatever the state of the page has to say instead of hits. @param {object} state @param {object} act */
export function notices(state, act) {
  switch (pageState(state)) {
    case "gone":
      return html`<section class="notice whole gone" role="alert">
        <h2>The server does not answer</h2>
        <p>It may have been stopped. Start it again with ${command("finereel serve", act)}</p>
        <button type="button" class="primary" @click=${act.retry}>Try again</button>
      </section>`;
    case "filtered":
      return filtered(state, act);
    case "refused":
      return notice("This cannot be searched", html`<p>${state.refused.message}</p>`);
    case "nothing":
      return notice("No hits", html`<p>${state.answer.note ?? "Try other words, or fewer sentences."}</p>`);
    case "unsure":
      return unsure(state, act);
    case "empty":
      return notice(
        "The library is empty",
        html`<p>Make a folder of videos searchable; nothing leaves this machine:</p>
          <p>${command(indexCommand(state.status), act)}</p>
          ${
            state.status.may_index && !state.status.indexing
              ? html`<p><button type="button" class="primary" @click=${act.update}>Index the folders of this server</button></p>`
              : nothing
          }
          <p class="quietly">This page shows the first clips as soon as they are indexed.</p>`,
      );
    case "indexing":
      return notice(
        "The first videos are being indexed",
        html`<p>Search as soon as the first clips are there.</p>`,
      );
    case "searching":
      return html`<p class="quietly">Searching…</p>`;
    case "start":
      return start(state, act);
    default:
      return nothing;
  }
}

/** What is said of an answer: how clearly the best hit fits, how many there are. */
export function summary(state) {
  const { answer } = state;
  if (!answer || pageState(state) === "gone") return "";
  const shown = shownHits(state).length;
  const count =
    isUnsure(state) && shown < answer.hits.length
      ? `${counted(shown, "hit")} of ${answer.hits.length}`
      : counted(answer.hits.length, "hit");
  return answer.took_ms == null ? count : `${count} in ${Math.round(answer.took_ms)} ms`;
}

/** How clearly the best hit fits, in words. */
function why(sure) {
  const right = rightIn(sure);
  return `stronger than ${shareOf(sure.stronger_than)} unrelated descriptions here${right ? `; ${right}` : ""}`;
}

/** The line above the hits. @param {object} state */
export function verdict(state) {
  const { answer } = state;
  if (!answer?.hits.length || pageState(state) === "gone") return nothing;
  if (isUnsure(state)) return nothing;
  const sure = answer.confidence;
  return html`<div class="verdict">
    <span class="count">${summary(state)}</span>
    ${answer.said ? html`<span>in ${answer.said} of these clips the words are said</span>` : nothing}
    ${
      sure
        ? html`<span class="level ${sure.level}"><i class="dot"></i>${LEVELS[sure.level]}</span>
          <span class="why">the best one is ${why(sure)}</span>`
        : nothing
    }
  </div>`;
}

/** The end of the list. */
export function ending(state, act) {
  const { answer, query } = state;
  if (!answer || pageState(state) === "gone" || shownHits(state).length < query.top || query.top >= MOST)
    return nothing;
  return html`<div class="ending"><button type="button" @click=${act.more} ?disabled=${state.searching}>Show more</button></div>`;
}

/** What the library holds, in the head of the page. */
export function libraryMenu(state, act) {
  const { status, problems } = state;
  if (!status) return nothing;
  const lines = [
    ["Videos", status.videos?.toLocaleString("en")],
    ["Clips", status.clips?.toLocaleString("en")],
    ["Model", status.model],
    ["Size", status.bytes ? bytes(status.bytes) : null],
    ["Folders", status.folders?.join(", ")],
  ].filter(([, value]) => value != null && value !== "");
  return html`<details class="menu library">
    <summary>${counted(status.videos ?? 0, "video")}${problems.length ? html` <span class="warn">${counted(problems.length, "problem")}</span>` : nothing}</summary>
    <div class="sheet">
      <dl>${lines.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
      ${
        problems.length
          ? html`<h3>Not indexed</h3>
            <ul class="problems">
              ${problems.slice(0, 20).map((one) => html`<li><b>${nameOf(one.path).name}</b> ${one.error ?? one.message}</li>`)}
            </ul>`
          : nothing
      }
      ${
        status.may_index && !status.indexing && !state.progress
          ? html`<button type="button" @click=${act.update}>${icon("plus")} Look for new videos</button>`
          : nothing
      }
    </div>
  </details>`;
}
