export const rooms: readonly {
  readonly room: string
  readonly purpose: string
  readonly imports: readonly string[]
}[]

export const fences: readonly {
  readonly name: string
  readonly rooms: readonly string[]
}[]
