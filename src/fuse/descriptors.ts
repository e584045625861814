import type { JournalFiles } from './journal.ts'

/** The numbers under which the keeper hands down what it opened. */
export const FUSE_FD = 3
export const JOURNAL_FILES: JournalFiles = [4, 5]

/** The connection is gone for good: the keeper must not start another server. */
export const EXIT_CONNECTION_GONE = 3
