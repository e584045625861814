import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  LabelSelectorError,
  parseLabelSelector,
  requirementsOf,
  selectorMatches,
  type LabelSelector,
} from '../../src/api/label-selector.ts'

/** As apimachinery's Selector.String() prints it, where the operator alone does not tell. */
function print(selector: LabelSelector): string {
  return selector
    .map(({ key, operator, values }) => {
      switch (operator) {
        case 'Exists':
          return key
        case 'DoesNotExist':
          return `!${key}`
        case 'Gt':
          return `${key}>${values[0]}`
        case 'Lt':
          return `${key}<${values[0]}`
        case 'In':
        case 'NotIn':
      }
      return `${key} ${operator.toLowerCase()} (${values.join(',')})`
    })
    .join(',')
}

t.test(
  'what labels.Parse of apimachinery v0.34.1 says, to the word',
  async t => {
    // TEXT, ok or error, and the selector or the message; recorded with a Go program. In the
    // message of a bad key, `<nil>: `, an accident of Go's, is left out.
    const recording = readFileSync('test/api/label-selectors.txt', 'utf8')
    for (const row of recording.trimEnd().split('\n')) {
      const [text = '', verdict, expected = ''] = row.split('\t')
      if (verdict === 'error') {
        t.throws(
          () => parseLabelSelector(text),
          new LabelSelectorError(expected),
          text,
        )
        continue
      }
      const printed = print(parseLabelSelector(text))
      const asSets = expected
        .replaceAll(/([\w./]+)!=(\w*)/g, '$1 notin ($2)')
        .replaceAll(/([\w./]+)==?(\w*)/g, '$1 in ($2)')
      t.equal(printed, asSets, text)
    }
  },
)

t.test('what matches', async t => {
  const labels = new Map([
    ['app', 'web'],
    ['tier', 'front'],
    ['size', '7'],
    ['below', '-12'],
    ['model', 'v7'],
    ['width', '7px'],
    ['empty', ''],
  ])
  const cases: readonly (readonly [string, boolean])[] = [
    ['', true],
    ['app=web', true],
    ['app==web,tier=front', true],
    ['app=web,tier=back', false],
    ['app!=web', false],
    ['app!=db', true],
    ['missing!=x', true],
    ['missing=x', false],
    ['app in (web,db)', true],
    ['app in (db)', false],
    ['app notin (db)', true],
    ['missing notin (a)', true],
    ['app notin (web)', false],
    ['app', true],
    ['missing', false],
    ['!app', false],
    ['!missing', true],
    ['size>6', true],
    ['size>7', false],
    ['size<7', false],
    ['size<8', true],
    ['size<10', true],
    ['below<0', true],
    ['below>0', false],
    ['model<9', false],
    ['model>1', false],
    ['width>1', false],
    ['missing<1', false],
    ['app>1', false],
    ['empty=', true],
    ['missing=', false],
  ]
  for (const [text, matches] of cases)
    t.equal(selectorMatches(parseLabelSelector(text), labels), matches, text)
})

t.test('a selector of a manifest', async t => {
  t.strictSame(
    requirementsOf({
      matchLabels: new Map([['app', 'web']]),
      matchExpressions: [
        { key: 'tier', operator: 'NotIn', values: ['db'] },
        { key: 'old', operator: 'DoesNotExist' },
      ],
    }),
    [
      { key: 'app', operator: 'In', values: ['web'] },
      { key: 'tier', operator: 'NotIn', values: ['db'] },
      { key: 'old', operator: 'DoesNotExist', values: [] },
    ],
  )
  t.strictSame(requirementsOf({}), parseLabelSelector(''))
  t.strictSame(parseLabelSelector('a,!b'), [
    { key: 'a', operator: 'Exists', values: [] },
    { key: 'b', operator: 'DoesNotExist', values: [] },
  ])
})
