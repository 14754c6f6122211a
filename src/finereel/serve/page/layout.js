/** Where the cards stand, and which of them are worth drawing. Pure. */

/** Cards in the page at once, at most; one more may have the focus. */
export const MOST_CARDS = 119;

/**
 * A row of cards, or the heading of a group.
 * @typedef {{top: number, height: number, first: number, count: number, heading: string}} Row
 * @typedef {{columns: number, card: number, height: number, total: number, rows: Row[]}} Layout
 */

/**
 * Lay out cards in rows.
 * @param {number[]} groups sizes of the groups, in order; one of all cards where there are none
 * @param {string[]} headings what stands above each group; empty for nothing
 * @param {{width: number, least: number, gap: number, caption: number, heading: number}} sizes in
 *   pixels: of the grid, the narrowest card, between cards, below a picture, of a heading
 * @returns {Layout}
 */
export function layOut(groups, headings, sizes) {
  const { width, least, gap, caption } = sizes;
  const columns = Math.max(1, Math.floor((width + gap) / (least + gap)));
  const card = (width - gap * (columns - 1)) / columns;
  const height = (card * 9) / 16 + caption;
  const rows = [];
  let [top, first] = [0, 0];
  groups.forEach((size, group) => {
    if (headings[group] && size) {
      rows.push({ top, height: sizes.heading, first, count: 0, heading: headings[group] });
      top += sizes.heading;
    }
    for (let done = 0; done < size; done += columns) {
      const count = Math.min(columns, size - done);
      rows.push({ top, height, first: first + done, count, heading: "" });
      top += height + gap;
    }
    first += size;
  });
  return { columns, card, height, total: Math.max(0, top - gap), rows };
}

/**
 * The rows between two heights and some more around them, at most MOST_CARDS cards.
 * @param {Layout} layout
 * @param {number} top first pixel that is seen, from the upper edge of the grid
 * @param {number} bottom the last
 */
export function visible(layout, top, bottom, most = MOST_CARDS) {
  const { rows } = layout;
  const seen = (row) => row.top + row.height >= top && row.top <= bottom;
  let first = rows.findIndex(seen);
  if (first < 0) return [];
  let last = first;
  let cards = rows[first].count;
  while (last + 1 < rows.length && seen(rows[last + 1]) && cards + rows[last + 1].count <= most)
    cards += rows[++last].count;
  for (let more = 0; more < 2; more++) {
    if (last + 1 < rows.length && cards + rows[last + 1].count <= most) cards += rows[++last].count;
    if (first > 0 && cards + rows[first - 1].count <= most) cards += rows[--first].count;
  }
  return rows.slice(first, last + 1);
}

/** The card that a key leads to from card `at`; null where the key leads nowhere. */
export function moved(layout, at, key, total) {
  if (key === "ArrowRight") return Math.min(at + 1, total - 1);
  if (key === "ArrowLeft") return Math.max(at - 1, 0);
  if (key === "Home") return 0;
  if (key === "End") return total - 1;
  const rows = layout.rows.filter((row) => row.count);
  const row = rows.findIndex(({ first, count }) => at >= first && at < first + count);
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 3, PageUp: -3 }[key];
  if (!step || row < 0) return null;
  const target = rows[Math.max(0, Math.min(rows.length - 1, row + step))];
  return target.first + Math.min(at - rows[row].first, target.count - 1);
}

/** When the frames of a strip are shown, as shares of the clip: `count` of `sampled` frames. */
export function stripShare(place, count = 6, sampled = 12) {
  return (Math.round((place * (sampled - 1)) / (count - 1)) + 0.5) / sampled;
}
