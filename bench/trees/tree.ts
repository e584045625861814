/** A published volume somewhere, the same files in each; what it is is said by `name`. */
export interface Tree {
  readonly name: string
  /** What a program opens: `path/key-0` leads through two symlinks. */
  readonly path: string
  /** How many opens the server has answered; undefined: it cannot be known. */
  opens?(): Promise<number>
  close(): Promise<void>
}
