/** The player: one clip, opened at its moment, with the evidence for it beside. */

import { address } from "./api.js";
import { STRIP_FRAMES, confidence } from "./card.js";
import { html, icon, nothing, repeat } from "./dom.js";
import { evidencePanel } from "./evidence.js";
import { bytes, clock, moment, nameOf, range } from "./format.js";
import { RUNG_WORDS } from "./ladder.js";
import { exportMenu } from "./selection.js";
import { levelOf, marksOf, shownHits } from "./state.js";

/** Seconds that J and L move by. */
export const JUMP = 5;

/** The film in the player; null where pictures stand in its place. @returns {HTMLVideoElement | null} */
export const film = () => document.querySelector("#player video");

/** Seconds of the file before the film begins. */
const offsetOf = (open) => (open.ladder.rung === "direct" ? 0 : open.offset);

/** The second of the file that is shown; a film without a picture is not believed. */
export function playedAt(open) {
  const element = film();
  return element?.videoWidth ? element.currentTime + offsetOf(open) : open.t;
}

/** Go to a second of the file. */
export function seek(open, seconds) {
  open.t = Math.max(0, seconds);
  const element = film();
  if (element && element.readyState > 0) element.currentTime = Math.max(0, seconds - offsetOf(open));
}

const source = (open) =>
  open.ladder.rung === "direct"
    ? address.media(open.hit.file_id)
    : address.play(open.hit.clip_id, open.ladder.rung);

function video(open, act) {
  const rung = open.ladder.rung;
  const failed = () => act.rungFailed(rung);
  return html`<video
    controls
    playsinline
    preload="auto"
    src=${source(open)}
    aria-label="Film: ${nameOf(open.hit.video).name}"
    @error=${failed}
    @loadeddata=${(event) => (event.target.videoWidth === 0 ? failed() : act.loaded(event.target))}
    @loadedmetadata=${(event) => {
      event.target.currentTime = Math.max(0, open.t - offsetOf(open));
    }}
    @timeupdate=${act.timed}
    @seeked=${act.timed}
  >
    ${open.file?.subtitles ? html`<track kind="subtitles" src=${address.subtitles(open.hit.file_id)} label="Subtitles" />` : nothing}
  </video>`;
}

/** Whether pictures stand in the place of the film. */
const pictured = (open) => open.gone || open.ladder.rung === "stills";

/** The stored pictures of a clip: what is left where no film can be played. */
const stills = (open) => html`<div class="stills">
  ${Array.from(
    { length: STRIP_FRAMES },
    (_, place) =>
      html`<span class="still"><img src=${address.strip(open.hit.clip_id)} alt="Picture ${place + 1} of the clip" .style=${`transform:translateX(${(-100 * place) / STRIP_FRAMES}%)`} /></span>`,
  )}
</div>`;

/** A still with a box around what a word is about, or else the stored pictures. */
function pictures(open) {
  const { place, still } = open;
  if (!place || !still || Math.abs(place.seconds - still.seconds) > 0.05) return stills(open);
  const { left, top, right, bottom } = place.box;
  const style = `left:${100 * left}%;top:${100 * top}%;width:${100 * (right - left)}%;height:${100 * (bottom - top)}%`;
  return html`<div class="framed"><img src=${still.url} alt="The frame at ${moment(still.seconds)}" />
    <div class="box" .style=${style}><span>${place.word}</span></div></div>`;
}

/** A box around what a word is about, over the picture. */
function box({ place, picture }) {
  if (!place || !picture) return nothing;
  const { left, top, right, bottom } = place.box;
  const style = `left:${picture.x + left * picture.w}px;top:${picture.y + top * picture.h}px;width:${(right - left) * picture.w}px;height:${(bottom - top) * picture.h}px`;
  return html`<div class="box" .style=${style}><span>${place.word}</span></div>`;
}

function stage(open, act) {
  const { rung } = open.ladder;
  const { name, folder } = nameOf(open.hit.video);
  const path = html`<p class="path"><code>${open.hit.video}</code> <button type="button" class="quiet" @click=${() => act.copyText(open.hit.video, "path")}>Copy</button></p>`;
  if (open.gone) {
    return html`<div class="stage still-stage">${stills(open)}</div>
      <section class="notice inside" role="alert">
        <h3>The file is not where it was</h3>
        ${path}
        <p>These pictures are kept in the library. If ${name} was moved, index its new folder; if a drive is missing, connect it. <code>finereel index ${folder || "FOLDER"}</code></p>
      </section>`;
  }
  if (rung === "stills") {
    const codec = [open.file?.video_codec, open.file?.audio_codec]
      .filter((one) => one && one !== "none")
      .join(" and ");
    return html`<div class="stage still-stage">${pictures(open)}</div>
      <section class="notice inside" role="alert">
        <h3>This browser cannot play the file</h3>
        <p>${codec ? `It holds ${codec}. ` : ""}These are pictures of the clip; another program may play the file:</p>
        ${path}
      </section>`;
  }
  if (rung !== "direct" && open.made !== rung) {
    return html`<div class="stage"><p class="making">This browser cannot play the file as it is; preparing ${rung === "remux" ? "it" : "a preview"}…</p></div>`;
  }
  return html`<div class="stage">
      ${repeat(
        [`${open.hit.clip_id} ${rung}`],
        (key) => key,
        () => video(open, act),
      )} ${box(open)}
    </div>
    ${RUNG_WORDS[rung] ? html`<p class="rung">${RUNG_WORDS[rung]}</p>` : nothing}`;
}

/** Points of a line through scores, in a field of 1000 x 100. */
export function linePoints(seconds, scores, span) {
  const [least, most] = [Math.min(...scores), Math.max(...scores)];
  const x = (second) => (1000 * (second - span[0])) / (span[1] - span[0] || 1);
  return seconds
    .map(
      (second, n) =>
        `${x(second).toFixed(1)},${(94 - (88 * (scores[n] - least)) / (most - least || 1)).toFixed(1)}`,
    )
    .join(" ");
}

/** The whole file as a line: how well each second fits, the moment, in and out. */
function timeline(state, act) {
  const { open } = state;
  const { hit } = open;
  const given = open.timeline;
  const end = open.file?.duration ?? Math.max(hit.window[1], ...(given?.seconds ?? []));
  const span = [0, end];
  const share = (seconds) => Math.max(0, Math.min(100, (100 * seconds) / (end || 1)));
  const [from, to] = marksOf(state, hit);
  const band = (name, [left, right]) =>
    html`<i class=${name} .style=${`left:${share(left)}%;width:${Math.max(0.4, share(right) - share(left))}%`}></i>`;
  return html`<div class="timeline">
    <div
      class="track"
      @click=${(event) => {
        const { left, width } = event.currentTarget.getBoundingClientRect();
        act.seekTo((end * (event.clientX - left)) / width);
      }}
    >
      ${(hit.moments?.length ? hit.moments : [[hit.start, hit.end]]).map((one) => band("moment", one))}
      ${
        given?.seconds?.length > 1
          ? html`<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="How well each second of the video fits">
            <polyline points=${linePoints(given.seconds, given.scores, span)} />
          </svg>`
          : nothing
      }
      ${state.marks.has(hit.clip_id) ? band("cut", [from, to]) : nothing}
      <i class="head" .style=${`left:${share(open.t)}%`}></i>
    </div>
    <div class="ticks"><span>0:00</span><span class="now" .textContent=${moment(open.t)}></span><span>${clock(end)}</span></div>
  </div>`;
}

/** Move the play head without drawing the page again. */
export function moveHead(state) {
  const { open } = state;
  const head = document.querySelector("#player .head");
  if (!open || !head) return;
  const end = open.file?.duration ?? Math.max(open.hit.window[1], ...(open.timeline?.seconds ?? []));
  head.style.left = `${Math.max(0, Math.min(100, (100 * open.t) / (end || 1)))}%`;
  const now = document.querySelector("#player .now");
  if (now) now.textContent = moment(open.t);
}

function controls(state, act) {
  const { open } = state;
  const { hit } = open;
  const [from, to] = marksOf(state, hit);
  const judged = state.judged.get(hit.clip_id);
  const thumbs =
    state.lacks.has("feedback") || state.status?.read_only || !state.query.q
      ? nothing
      : html`<span class="thumbs" role="group" aria-label="Is it what you searched for?">
        <button type="button" class="plain" aria-pressed=${judged === true} aria-label="Yes, this is what I searched for" title="This is what I searched for" @click=${() => act.judge(true)}>${icon("up")}</button>
        <button type="button" class="plain" aria-pressed=${judged === false} aria-label="No, this is something else" title="This is something else" @click=${() => act.judge(false)}>${icon("down")}</button>
      </span>`;
  const played = html`<button type="button" @click=${act.toMoment} title="To the moment (M)">To the moment</button>
    <span class="marks" role="group" aria-label="In and out">
      <button type="button" @click=${act.markIn} title="In: the moment begins here (I)">In</button>
      <span class="numbers">${moment(from)}-${moment(to)}</span>
      <button type="button" @click=${act.markOut} title="Out: the moment ends here (O)">Out</button>
    </span>`;
  return html`<div class="controls">
    ${pictured(open) ? nothing : played}
    <span class="stretch"></span>
    ${thumbs}
    <button type="button" aria-pressed=${state.selected.has(hit.clip_id)} @click=${() => act.select(hit)}>${icon("check")} ${state.selected.has(hit.clip_id) ? "Selected" : "Select"}</button>
    ${exportMenu(state, act, [hit])}
  </div>`;
}

function similarPanel(open, act) {
  if (open.loading.similar) return html`<p class="quietly">Looking for similar clips…</p>`;
  const hits = open.similar ?? [];
  if (!hits.length) return html`<p class="quietly">${open.errors.similar ?? "No similar clips."}</p>`;
  return html`<ul class="similar">
    ${hits.map(
      (hit) => html`<li>
        <button type="button" @click=${() => act.open(hit, null, { play: true, keepTab: true })}>
          <img src=${address.thumb(hit.clip_id)} alt="" loading="lazy" />
          <span class="name">${nameOf(hit.video).name}</span>
          <span class="quietly">${range(hit.start, hit.end)}${hit.duplicate ? ", nearly the same" : ""}</span>
        </button>
      </li>`,
    )}
  </ul>`;
}

/** The tags of the file: each leads to the other videos with it. */
function tagsOf(state, act) {
  const { open } = state;
  const tags = open.file?.tags ?? [];
  const fixed = state.status?.read_only || state.lacks.has("tags");
  if (!tags.length && fixed) return nothing;
  return html`<h3 id="tags-title">Tags</h3>
    <ul class="tags" aria-labelledby="tags-title">
      ${tags.map(
        (tag) => html`<li class="tag">
          <button type="button" class="quiet" title="Only videos with this tag" @click=${() => act.filterBy("tag", tag)}>${tag}</button>
          ${fixed ? nothing : html`<button type="button" class="plain" aria-label="Remove the tag ${tag}" @click=${() => act.tag(tag, true)}>${icon("close")}</button>`}
        </li>`,
      )}
    </ul>
    ${
      fixed
        ? nothing
        : html`<form
          class="new-tag"
          @submit=${(event) => {
            event.preventDefault();
            const field = event.target.elements[0];
            if (field.value.trim()) act.tag(field.value.trim(), false);
            field.value = "";
          }}
        >
          <input aria-label="New tag" placeholder="new tag" autocomplete="off" maxlength="60" /><button>Add</button>
        </form>`
    }`;
}

function filePanel(state, act) {
  const { open } = state;
  const file = open.file ?? {};
  const lines = [
    ["Path", open.hit.video],
    ["Recorded", file.taken_at ? String(file.taken_at).slice(0, 16).replace("T", " ") : null],
    ["Length", file.duration == null ? null : clock(file.duration)],
    [
      "Picture",
      file.width
        ? `${file.width} × ${file.height}${file.fps ? `, ${Math.round(file.fps * 100) / 100} frames a second` : ""}`
        : null,
    ],
    [
      "Codecs",
      [file.video_codec, file.audio_codec].filter((one) => one && one !== "none").join(", ") || null,
    ],
    ["Container", file.container],
    ["Size", file.bytes ? bytes(file.bytes) : null],
    ["Clip", open.hit.window ? range(...open.hit.window) : null],
    ["Copies", open.hit.copies?.join("\n") || null],
  ].filter(([, value]) => value);
  return html`<dl class="facts-list">${lines.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${tagsOf(state, act)}
    <button type="button" class="quiet" @click=${() => act.copyText(open.hit.video, "path")}>Copy the path</button>`;
}

const TABS = [
  ["evidence", "Evidence"],
  ["similar", "Similar"],
  ["file", "File"],
];

function side(state, act) {
  const { open } = state;
  const tabs = TABS.filter(([name]) => !state.lacks.has(name) || name === "evidence");
  const arrows = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.stopPropagation();
    const at = tabs.findIndex(([name]) => name === open.tab);
    act.tab(tabs[(at + step + tabs.length) % tabs.length][0], true);
  };
  return html`<div class="side">
    <div role="tablist" aria-label="About this clip" @keydown=${arrows}>
      ${tabs.map(
        ([name, words]) =>
          html`<button type="button" role="tab" id="tab-${name}" aria-controls="panel" aria-selected=${open.tab === name} tabindex=${open.tab === name ? 0 : -1} @click=${() => act.tab(name)}>${words}</button>`,
      )}
    </div>
    <div id="panel" role="tabpanel" aria-labelledby="tab-${open.tab}" tabindex="0">
      ${open.tab === "similar" ? similarPanel(open, act) : open.tab === "file" ? filePanel(state, act) : evidencePanel(state, act)}
    </div>
  </div>`;
}

/** The dialog; `main.js` opens it. @param {object} state @param {object} act */
export function player(state, act) {
  const { open } = state;
  if (!open) return nothing;
  const hits = shownHits(state);
  const at = hits.findIndex((hit) => hit.clip_id === open.hit.clip_id);
  const { name } = nameOf(open.hit.video);
  return html`<dialog id="player" aria-labelledby="player-title" @close=${act.closed} @cancel=${act.cancelled}>
    <header>
      <div class="title">
        <h2 id="player-title" tabindex="-1" autofocus title=${open.hit.video}>${name}</h2>
        <span class="quietly">${at >= 0 ? html`${at + 1} of ${hits.length} ${confidence(levelOf(state, open.hit, at))}` : nothing}</span>
      </div>
      <button type="button" class="plain" aria-label="Hit before (P)" title="Hit before (P)" ?disabled=${at <= 0} @click=${act.previous}>${icon("left")}</button>
      <button type="button" class="plain" aria-label="Next hit (N)" title="Next hit (N)" ?disabled=${at < 0 || at + 1 >= hits.length} @click=${act.next}>${icon("right")}</button>
      <button type="button" @click=${act.copyLink} title="Copy the link (C)">${icon("link")} Copy link</button>
      <button type="button" class="plain" aria-label="Close" title="Close (Esc)" @click=${act.close}>${icon("close")}</button>
    </header>
    <div class="body">
      <div class="film">${stage(open, act)} ${pictured(open) ? nothing : timeline(state, act)} ${controls(state, act)}</div>
      ${side(state, act)}
    </div>
    <p class="told" role="status">${open.told ?? ""}</p>
  </dialog>`;
}
