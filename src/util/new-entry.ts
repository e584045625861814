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
 * Makes the first of the entries, as many as go at once, in a directory that was made with
 * mode 0700 and that nobody has seen yet; resolves to how many. 0: make them one by one.
 */
export type FillDirectory = (
  directory: string,
  entries: readonly NewEntry[],
) => Promise<number>
