import type { Position } from '../api/types.ts'

export interface ConfigMistake {
  /** Absent: an environment variable or a flag, which `setting` names. */
  readonly position?: Position
  /** Such as `images[0].pattern`; empty for the file as a whole. */
  readonly setting: string
  readonly message: string
}

/** A configuration that cannot be used; `message` is one line for each mistake. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly mistakes: readonly ConfigMistake[]
  /** What is to be told of each. */
  readonly lines: readonly string[]
  constructor(mistakes: readonly ConfigMistake[]) {
    const lines = mistakes.map(({ position: at, setting, message }) =>
      [at && `${at.path}:${at.line}:${at.column}`, setting, message]
        .filter(part => part !== undefined && part !== '')
        .join(': '),
    )
    super(lines.join('\n'))
    this.mistakes = mistakes
    this.lines = lines
  }
}
