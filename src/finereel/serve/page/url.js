/** The address of the page holds all that was asked, so that a link restores it. Pure. */

/**
 * What is asked of the server.
 * @typedef {object} Query
 * @property {string} q
 * @property {string[]} not
 * @property {string[]} or
 * @property {string[]} and
 * @property {string[]} versus
 * @property {string[]} then
 * @property {string} since @property {string} until @property {string} folder
 * @property {string} min_s @property {string} max_s @property {string} tag
 * @property {string} per_video
 * @property {number} top
 */

/** Fields with further sentences, in the order in which they are shown. */
export const SENTENCES = ["not", "or", "and", "versus", "then"];
/** Fields that only let some videos pass. */
export const FILTERS = ["since", "until", "folder", "min_s", "max_s", "tag"];
/** So many hits are asked for at first, and at most. */
export const TOP = 50;
export const MOST = 1000;

/** @returns {Query} */
export const emptyQuery = () => ({
  q: "",
  ...Object.fromEntries(SENTENCES.map((name) => [name, []])),
  ...Object.fromEntries(FILTERS.map((name) => [name, ""])),
  per_video: "",
  top: TOP,
});

/** Read an address. @param {string} search @returns {{query: Query, clip: string, t: number | null}} */
export function readUrl(search) {
  const given = new URLSearchParams(search);
  const query = emptyQuery();
  query.q = (given.get("q") ?? "").trim();
  for (const name of SENTENCES)
    query[name] = given
      .getAll(name)
      .map((text) => text.trim())
      .filter(Boolean);
  for (const name of [...FILTERS, "per_video"]) query[name] = (given.get(name) ?? "").trim();
  const top = Number(given.get("top"));
  if (Number.isInteger(top) && top > 0) query.top = Math.min(top, MOST);
  const t = given.get("t");
  const seconds = Number(t);
  return { query, clip: given.get("clip") ?? "", t: t && seconds >= 0 ? seconds : null };
}

/** The fields of a query that say something, as the server reads them. @param {Query} query */
export function parameters(query) {
  const said = new URLSearchParams();
  if (query.q) said.set("q", query.q);
  for (const name of SENTENCES)
    for (const text of query[name]) if (text.trim()) said.append(name, text.trim());
  for (const name of [...FILTERS, "per_video"]) if (query[name]) said.set(name, query[name]);
  if (query.top !== TOP) said.set("top", String(query.top));
  return said;
}

/** The address that restores a query and, where one is open, a clip at a time. */
export function writeUrl(query, clip = "", t = null) {
  const said = parameters(query);
  if (clip) said.set("clip", clip);
  if (clip && t != null) said.set("t", String(Math.round(t * 10) / 10));
  const text = said.toString();
  return text ? `/?${text}` : "/";
}

/** Whether anything is asked. @param {Query} query */
export const asks = (query) => Boolean(query.q);

/** The filters that are set, as `[name, value]`. @param {Query} query */
export const activeFilters = (query) =>
  FILTERS.filter((name) => query[name]).map((name) => [name, query[name]]);
