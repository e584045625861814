/** The two descriptors. */
export type JournalFiles = readonly [number, number]

/** The numbers under which the keeper hands down what it opened. */
export const FUSE_FD = 3
export const JOURNAL_FILES: JournalFiles = [4, 5]
/** Its end of file means that the daemon is gone. */
export const DAEMON_PIPE = 6

/** DIR/serving, locked through this description by whoever answers the kernel: keeper.sh. */
export const SERVING_FD = 9

/** The connection is gone for good: the keeper must not start another server. */
export const EXIT_CONNECTION_GONE = 3
/** The journals have no tree; nor would they for another server. */
export const EXIT_NO_TREE = 4

/** fusermount-main.ts: koffi cannot be loaded here. */
export const EXIT_NO_KOFFI = 9
