import { goQuote } from '../../api/go-quote.ts'
import { Failure } from '../../util/failure.ts'

/**
 * The values of a flag that takes several with commas between them, as kubectl's --from-file
 * does (pflag's StringSlice, Go's encoding/csv): a value with a comma is put in quotes.
 */
export function stringSlice(
  flag: string,
  given: readonly string[],
): readonly string[] {
  return given.flatMap(text => {
    const values = csvRecord(text)
    if (values === undefined)
      throw new Failure(
        'usage',
        `invalid argument ${goQuote(text)} for "--${flag}" flag: a quotation mark is in the wrong place, or missing`,
        { fix: `--${flag}='"a,b"' for the file a,b` },
      )
    return values
  })
}

/** One line of CSV; `undefined` when its quotes are wrong. */
function csvRecord(text: string): string[] | undefined {
  if (text === '') return []
  const values: string[] = []
  const field = /"((?:[^"]|"")*)"(?=,|$)|([^",]*)(?=,|$)/y
  for (;;) {
    const [whole, quoted, bare = ''] = field.exec(text) ?? []
    if (whole === undefined) return undefined
    values.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'))
    if (field.lastIndex === text.length) return values
    field.lastIndex++
  }
}
