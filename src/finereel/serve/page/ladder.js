/** How a clip is played: each rung is tried once, from the original down to pictures. Pure. */

/** @typedef {"direct" | "remux" | "preview" | "stills"} Rung */

/** @type {Rung[]} */
export const RUNGS = ["direct", "remux", "preview", "stills"];

/** What each rung is, for the person who watches. */
export const RUNG_WORDS = {
  direct: "",
  remux: "repacked for this browser",
  preview: "a small preview, made for this browser",
  stills: "pictures only: this browser cannot play the file",
};

export class Ladder {
  /** @param {Rung} first the rung to begin with */
  constructor(first = "direct") {
    this.at = Math.max(0, RUNGS.indexOf(first));
  }

  /** @returns {Rung} */
  get rung() {
    return RUNGS[this.at];
  }

  /** Stand on a rung that is not higher. @param {Rung} rung */
  reach(rung) {
    this.at = Math.max(this.at, RUNGS.indexOf(rung));
  }

  /** Go down one rung, unless `rung` was left already. @returns {boolean} whether anything changed */
  fail(rung) {
    if (rung !== this.rung || this.at + 1 >= RUNGS.length) return false;
    this.at += 1;
    return true;
  }
}
