/** The hits as a listbox of which only the seen part is drawn. */

import { card, learnTimes, placeAt, scrub, STRIP_FRAMES, timeAt } from "./card.js";
import { html, nothing, repeat } from "./dom.js";
import { moment } from "./format.js";
import { layOut, moved, visible } from "./layout.js";
import { shownHits } from "./state.js";

const REM = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

/** Sizes in rem: narrowest card, also in wide windows, between cards, below a picture, a heading. */
const [LEAST, LEAST_WIDE, GAP, CAPTION, HEADING] = [14.5, 17.5, 1, 3.1, 2.4];

/** A window is wide from so many rem. */
const WIDE = 96;

/** Hits that follow each other and fit the same sentence. */
function groupsOf(hits) {
  const [sizes, names] = [[], []];
  for (const hit of hits) {
    const name = hit.fits ?? "";
    if (sizes.length && names.at(-1) === name) sizes[sizes.length - 1] += 1;
    else {
      sizes.push(1);
      names.push(name);
    }
  }
  const heading = (name) => (name === "either" ? "Either of them" : name ? `Rather “${name}”` : "");
  return [sizes, names.map(heading)];
}

export class Grid {
  /** @param {{get: () => object, set: (patch: object) => void, act: object}} page */
  constructor(page) {
    this.page = page;
    this.width = 0;
    this.layout = layOut([], [], { width: 1, least: 1, gap: 0, caption: 0, heading: 0 });
    this.drawn = "";
    addEventListener("scroll", () => this.again(), { passive: true });
    addEventListener("resize", () => page.set({}));
  }

  get list() {
    return document.getElementById("hits");
  }

  /** Draw again if other rows are seen now. */
  again() {
    const rows = this.seen();
    const key = `${rows[0]?.first}-${rows.at(-1)?.first}`;
    if (key !== this.drawn) this.page.set({});
  }

  seen() {
    const { list } = this;
    const top = list ? -list.getBoundingClientRect().top : 0;
    return visible(this.layout, top, top + innerHeight);
  }

  /** @param {object} state */
  view(state) {
    const hits = shownHits(state);
    if (!hits.length) return nothing;
    const rem = REM();
    const main = document.getElementById("main");
    const style = main && getComputedStyle(main);
    const width = main
      ? main.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
      : 320;
    this.width = width;
    this.layout = layOut(...groupsOf(hits), {
      width,
      least: Math.min((width < WIDE * rem ? LEAST : LEAST_WIDE) * rem, width),
      gap: GAP * rem,
      caption: CAPTION * rem,
      heading: HEADING * rem,
    });
    const rows = this.seen();
    this.drawn = `${rows[0]?.first}-${rows.at(-1)?.first}`;
    const cards = rows.flatMap((row) =>
      Array.from({ length: row.count }, (_, place) => ({ index: row.first + place, row, place })),
    );
    const focused = state.focus;
    if (hits[focused] && !cards.some(({ index }) => index === focused)) {
      const row = this.layout.rows.find(({ first, count }) => focused >= first && focused < first + count);
      cards.push({ index: focused, row, place: focused - row.first }); // so that Tab finds it
      cards.sort((one, other) => one.index - other.index); // in order, so that it is not moved, which ends a focus
    }
    const { card: size, height } = this.layout;
    const where = (row, place) =>
      `transform:translate(${place * (size + GAP * rem)}px,${row.top}px);width:${size}px;height:${height}px`;
    return html`<div
      id="hits"
      role="listbox"
      aria-label="Hits"
      aria-multiselectable="true"
      .style=${`height:${this.layout.total}px`}
      @click=${this.clicked}
      @pointermove=${this.pointed}
      @pointerout=${this.left}
      @focusin=${this.focused}
      @focusout=${this.blurred}
    >
      ${rows
        .filter((row) => row.heading)
        .map(
          (row) =>
            html`<div class="group" role="presentation" .style=${`transform:translateY(${row.top}px)`}>${row.heading}</div>`,
        )}
      ${repeat(
        cards,
        ({ index }) => hits[index].clip_id + hits[index].start,
        ({ index, row, place }) =>
          html`<div class="cell" role="presentation" .style=${where(row, place)}>${card(state, hits[index], index, hits.length)}</div>`,
      )}
    </div>`;
  }

  /** The card an event is about, and its hit. */
  of(target) {
    const element = target instanceof Element ? target.closest(".card") : null;
    const hit = element && shownHits(this.page.get())[Number(element.dataset.index)];
    return hit ? { element, hit, index: Number(element.dataset.index) } : null;
  }

  clicked = (event) => {
    const on = this.of(event.target);
    if (!on) return;
    if (event.target.closest(".mark") || event.ctrlKey || event.metaKey) this.page.act.select(on.hit);
    else this.page.act.open(on.hit, null, { play: true });
  };

  pointed = (event) => {
    const on = this.of(event.target);
    const picture = event.target.closest(".picture");
    if (on && picture) scrub(on.element, on.hit, placeAt(picture, event.clientX));
  };

  left = (event) => {
    const on = this.of(event.target);
    if (on && !on.element.contains(event.relatedTarget)) scrub(on.element, on.hit, null);
  };

  focused = (event) => {
    const on = this.of(event.target);
    if (on && on.index !== this.page.get().focus) this.page.set({ focus: on.index });
  };

  blurred = (event) => {
    const on = this.of(event.target);
    if (on && document.hasFocus()) scrub(on.element, on.hit, null);
  };

  /** Put the focus on a card, wherever it is. @param {number} index */
  go(index) {
    const row = this.layout.rows.find(({ first, count }) => index >= first && index < first + count);
    if (!row) return;
    const head = document.querySelector("header").getBoundingClientRect().bottom + 12;
    const top = this.list.getBoundingClientRect().top + row.top;
    const below = top + row.height + 12 - innerHeight;
    if (top < head) scrollBy(0, top - head);
    else if (below > 0) scrollBy(0, Math.min(below, top - head));
    this.page.set({ focus: index });
    this.page.drawNow();
    document.getElementById(`card-${index}`)?.focus({ preventScroll: true });
  }

  /** Follow an arrow key. @returns {boolean} */
  move(key) {
    const { focus } = this.page.get();
    const target = moved(this.layout, focus, key, shownHits(this.page.get()).length);
    if (target == null) return false;
    this.go(target);
    return true;
  }

  /** Show the next or last frame of the strip of the card with the focus. @param {1 | -1} step */
  step(step) {
    const on = this.of(document.activeElement);
    if (!on) return;
    const now = on.element.dataset.place;
    const first = step > 0 ? 0 : STRIP_FRAMES - 1;
    const place = now == null ? first : Math.max(0, Math.min(STRIP_FRAMES - 1, Number(now) + step));
    scrub(on.element, on.hit, place);
    learnTimes(on.hit).then(() => {
      if (on.element.dataset.place !== String(place)) return;
      this.page.set({ told: `${moment(timeAt(on.hit, place))}, picture ${place + 1} of ${STRIP_FRAMES}` });
    });
  }

  /** The time to which the card with the focus was scrubbed; null for none. */
  scrubbed() {
    const on = this.of(document.activeElement);
    return on && on.element.dataset.place != null ? timeAt(on.hit, Number(on.element.dataset.place)) : null;
  }

  /** Hide every strip. @returns {boolean} whether one was shown */
  calm() {
    const shown = [...document.querySelectorAll(".card[data-place]")];
    for (const element of shown) scrub(element, this.of(element).hit, null);
    return shown.length > 0;
  }
}
