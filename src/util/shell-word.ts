/** The word as it is typed in a shell (POSIX, 2.2): quoted where a shell would take it for more. */
export function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  return `'${word.replaceAll("'", String.raw`'\''`)}'`
}
