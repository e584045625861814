/** A file, a directory (before what is in it) or a link that is to be made. */
export interface NewEntry {
  /** Relative to the directory that it is made in. */
  readonly path: string
  /** With the type: S_IFREG, S_IFDIR or S_IFLNK. */
  readonly mode: number
  /** Absent: the maker's own. The group is the maker's, or that of a setgid directory. */
  readonly uid?: number
  /** A file's contents or a link's target. */
  readonly data: Uint8Array
}

/**
 * The mode with which to make a directory that is to be filled, and that is 0755 then. The
 * sticky bit is a word to the file system, and not kept: with 0700 instead, who watches the
 * parent as another user and looks at the new name at once would get EACCES.
 */
export const UNSEEN_MODE = 0o1755

/**
 * Makes the first of the entries, as many as go at once, in a directory that was made with
 * UNSEEN_MODE, or 0700, and that nobody has seen yet; resolves to how many. 0: make them one
 * by one.
 */
export type FillDirectory = (
  directory: string,
  entries: readonly NewEntry[],
) => Promise<number>
