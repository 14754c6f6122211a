/** Words and numbers as a person reads them; the same words as the command line. Pure. */

/** @typedef {"strong" | "possible" | "none"} Level */

/** @type {Record<Level, string>} */
export const LEVELS = {
  strong: "a clear match",
  possible: "a possible match",
  none: "nothing clearly fits",
};

/** The parts of a score in plain words. */
export const PARTS = {
  video_sentence: "the whole clip compared with the sentence",
  frame_sentence: "its frames compared with the sentence",
  patch_word: "patches of its pictures compared with single words",
  video_word: "the whole clip compared with single words",
  frame_word: "its frames compared with single words",
};

/** What the verdicts on words mean. */
export const VERDICTS = {
  supported: "the clip shows it rather than what would exclude it",
  contradicted: "something else fits better",
  undecided: "the model cannot tell here",
  "not checked": "no word is known that would exclude it",
};

/** A time in a video: `0:12`, `1:02:04`. @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(rest).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** A time to the nearest tenth of a second: `0:12.4`. @param {number} seconds */
export function moment(seconds) {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  return `${clock(Math.floor(tenths / 10))}.${tenths % 10}`;
}

/** From when to when: `0:12-0:22`, to the tenth where it is shorter than 3 s. */
export function range(start, end) {
  const say = end - start < 3 ? moment : clock;
  return `${say(start)}-${say(end)}`;
}

/** The same for a screen reader: `from 12 seconds to 1 minute 2 seconds`. */
export const spokenRange = (start, end) => `from ${spoken(start)} to ${spoken(end)}`;

/** A time in words. @param {number} seconds */
export function spoken(seconds) {
  const tenths = Math.round(Math.max(0, seconds) * 10);
  const minutes = Math.floor(tenths / 600);
  const rest = (tenths - minutes * 600) / 10;
  if (!minutes) return counted(rest, "second");
  return rest ? `${counted(minutes, "minute")} ${counted(rest, "second")}` : counted(minutes, "minute");
}

/** `1 hit`, `12,000 hits`. */
export const counted = (count, noun, plural = `${noun}s`) =>
  `${count.toLocaleString("en")} ${count === 1 ? noun : plural}`;

/** How much longer: `about 2 min`. @param {number} seconds */
export function remaining(seconds) {
  if (seconds < 10) return "a few seconds";
  if (seconds < 90) return `about ${Math.round(seconds / 5) * 5} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `about ${minutes} min` : `about ${Math.round(minutes / 60)} h`;
}

/** The last part of a path, and the folder before it. @param {string} path */
export function nameOf(path) {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return { name: path.slice(cut + 1) || path, folder: cut > 0 ? path.slice(0, cut) : "" };
}

/** Of how many unrelated descriptions the best hit is stronger: `all`, `90 % of`. @param {number} percent */
export const shareOf = (percent) => (percent >= 100 ? "all" : `${percent} % of`);

/** How often such an answer is right, in words; empty where nobody counted. */
export function rightIn(confidence) {
  if (confidence?.right == null) return "";
  const tenths = Math.round(10 * confidence.right) || "less than 1";
  const by = confidence.right_by === "feedback" ? "by your feedback" : `on ${confidence.right_by}`;
  return `${by} such an answer is right in ${tenths} of 10`;
}

/** By what a clip was found. */
export const foundBy = (source) => ({ said: "words", both: "picture and words" })[source] ?? "picture";

/** A size in bytes: `3.0 MB`. */
export function bytes(count) {
  const step = count >= 1e9 ? [1e9, "GB"] : count >= 1e6 ? [1e6, "MB"] : [1e3, "KB"];
  return `${(count / step[0]).toFixed(1)} ${step[1]}`;
}
