/** One hit as a card: its picture, the strip under the pointer, its time, name and confidence. */

import { address, api } from "./api.js";
import { html, icon, nothing } from "./dom.js";
import { LEVELS, clock, counted, foundBy, moment, nameOf, range, spokenRange } from "./format.js";
import { stripShare } from "./layout.js";
import { levelOf } from "./state.js";

/** Frames in a strip. */
export const STRIP_FRAMES = 6;

/** Where a time lies in a window, in percent. */
const percent = (seconds, [start, end]) =>
  Math.max(0, Math.min(100, (100 * (seconds - start)) / (end - start || 1)));

/** The mark and the words of a level of confidence; nothing for none known. */
export const confidence = (level) =>
  level ? html`<span class="level ${level}"><i class="dot"></i>${LEVELS[level]}</span>` : nothing;

/** A bar of the clip: its moments, and the best frame. @param {import("./state.js").Hit} hit */
function bar(hit) {
  const moments = hit.moments?.length ? hit.moments : [[hit.start, hit.end]];
  const band = ([start, end]) => {
    const left = percent(start, hit.window);
    return html`<i class="moment" .style=${`left:${left}%;width:${Math.max(1, percent(end, hit.window) - left)}%`}></i>`;
  };
  return html`<div class="bar" aria-hidden="true">
    ${moments.map(band)}<i class="best" .style=${`left:${percent(hit.best_frame, hit.window)}%`}></i>
  </div>`;
}

/** What a screen reader says of a card. */
function spoken(hit, level) {
  const { name } = nameOf(hit.video);
  return [
    name,
    spokenRange(hit.start, hit.end),
    level ? LEVELS[level] : "",
    hit.fits ? `fits ${hit.fits}` : "",
    hit.said ? `says: ${hit.said}` : "",
    hit.source && hit.source !== "seen" ? `found by ${foundBy(hit.source)}` : "",
  ]
    .filter(Boolean)
    .join(", ");
}

/**
 * @param {object} state
 * @param {import("./state.js").Hit} hit
 * @param {number} index
 * @param {number} total
 */
export function card(state, hit, index, total) {
  const level = levelOf(state, hit, index);
  const chosen = state.selected.has(hit.clip_id);
  const { name } = nameOf(hit.video);
  return html`<div
    class="card"
    role="option"
    id="card-${index}"
    data-index=${index}
    data-clip=${hit.clip_id}
    tabindex=${index === state.focus ? 0 : -1}
    aria-selected=${chosen}
    aria-setsize=${total}
    aria-posinset=${index + 1}
    aria-label=${spoken(hit, level)}
  >
    <div class="picture">
      <img class="thumb" src=${address.thumb(hit.clip_id)} alt="" decoding="async" draggable="false" />
      <div class="strip" hidden><img alt="" draggable="false" /></div>
      <span class="mark" title="Select (X)">${icon("check")}</span>
      <span class="at" hidden></span>
      <span class="time">${range(hit.start, hit.end)}</span>
      ${bar(hit)}
    </div>
    <div class="caption">
      <div class="name" title=${hit.video}>${name}</div>
      <div class="facts">
        <span class="rank">${index + 1}</span>
        ${confidence(level)}
        ${hit.source === "said" || hit.source === "both" ? html`<span class="found">${foundBy(hit.source)}</span>` : nothing}
        ${hit.said ? html`<span class="said">“${hit.said}”</span>` : nothing}
        ${!level && !hit.said ? html`<span class="score">best at ${moment(hit.best_frame)}</span>` : nothing}
        ${hit.copies?.length ? html`<span>${counted(hit.copies.length, "copy", "copies")}</span>` : nothing}
      </div>
    </div>
  </div>`;
}

/** The place of a strip under a pointer. @param {Element} picture @param {number} x */
export function placeAt(picture, x) {
  const { left, width } = picture.getBoundingClientRect();
  return Math.max(0, Math.min(STRIP_FRAMES - 1, Math.floor(((x - left) / width) * STRIP_FRAMES)));
}

/** Times of the frames of strips, by clip, as far as the server told them. @type {Map<string, number[]>} */
const stripSeconds = new Map();

/** Questions for those times, by clip. @type {Map<string, Promise<void>>} */
const stripQuestions = new Map();

/**
 * Ask once when the frames of a strip are. Until it is told, and where it is not, they are taken to be evenly spread.
 * @param {import("./state.js").Hit} hit @returns {Promise<void>} done when the server has answered
 */
export function learnTimes(hit) {
  if (!stripQuestions.has(hit.clip_id)) {
    const told = ({ strip_seconds: seconds }) => seconds?.length && stripSeconds.set(hit.clip_id, seconds);
    stripQuestions.set(hit.clip_id, api.clip(hit.clip_id).then(told, () => {}));
  }
  return stripQuestions.get(hit.clip_id);
}

/** When the frame at a place of the strip is. @param {import("./state.js").Hit} hit */
export function timeAt(hit, place) {
  const told = stripSeconds.get(hit.clip_id)?.[place];
  if (told != null) return told;
  const [start, end] = hit.window;
  return start + (end - start) * stripShare(place, STRIP_FRAMES);
}

/**
 * Show a frame of the strip on a card; null shows the thumbnail again.
 * @param {HTMLElement} element the card
 * @param {import("./state.js").Hit} hit
 * @param {number | null} place
 */
export function scrub(element, hit, place) {
  const [strip, at] = [element.querySelector(".strip"), element.querySelector(".at")];
  if (place == null) {
    strip.hidden = at.hidden = true;
    delete element.dataset.place;
    return;
  }
  element.dataset.place = String(place);
  at.hidden = false;
  const tell = () => element.dataset.place === String(place) && (at.textContent = clock(timeAt(hit, place)));
  tell();
  learnTimes(hit).then(tell);
  at.style.left = `${(100 * (place + 0.5)) / STRIP_FRAMES}%`;
  const image = strip.firstElementChild;
  if (!image.getAttribute("src")) {
    image.addEventListener("load", () => fit(strip, image), { once: true });
    image.src = address.strip(hit.clip_id);
  }
  image.style.transform = `translateX(${(-100 * place) / STRIP_FRAMES}%)`;
  strip.hidden = !image.naturalWidth;
}

/** Give the window before a strip the form of one frame, as large as the picture allows. */
function fit(strip, image) {
  const frame = image.naturalWidth / STRIP_FRAMES / image.naturalHeight;
  strip.style.aspectRatio = String(frame);
  strip.classList.toggle("tall", frame < 16 / 9);
  strip.hidden = strip.parentElement.parentElement.dataset.place == null;
}
