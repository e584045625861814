import t from 'tap'

import { expand, expandStrict } from '../../src/runner/launch/expansion.ts'

const env = new Map([
  ['A', 'alpha'],
  ['REF', '$(A)'],
  ['EMPTY', ''],
  ['a-b.c', 'dashed'],
])

// The table of docs/kubernetes.md#expansion-of-var and the interesting rows of expand_test.go.
const cases = [
  ['', ''],
  ['plain', 'plain'],
  ['$(A)', 'alpha'],
  ['_$(A)_$(A)_', '_alpha_alpha_'],
  ['$(REF)', '$(A)'],
  ['$(NOPE)', '$(NOPE)'],
  ['$(EMPTY)|', '|'],
  ['$(a-b.c)', 'dashed'],
  ['$$(A)', '$(A)'],
  ['$$$(A)', '$alpha'],
  ['$$$$(A)', '$$(A)'],
  ['$$', '$'],
  ['$', '$'],
  ['x$', 'x$'],
  ['$A', '$A'],
  ['$(A', '$(A'],
  ['$(A$$', '$(A$'],
  ['$(A $$(A)', '$(A $$(A)'],
  ['$()', '$()'],
  ['$(A$(A))', '$(A$(A))'],
  ['$(A)$(A', 'alpha$(A'],
  ['\n$(A)\n', '\nalpha\n'],
] as const

t.test('C113 C114 C115: $(VAR) expansion', async t => {
  for (const [input, expected] of cases) {
    t.equal(
      expand(input, name => env.get(name)),
      expected,
      JSON.stringify(input),
    )
  }
})

t.test('C137: a subPathExpr names what is undefined or empty', async t => {
  t.same(expandStrict('$(A)/x', env), { value: 'alpha/x' })
  t.same(expandStrict('$(NOPE)/$(EMPTY)/$(A)', env), {
    missing: ['NOPE', 'EMPTY'],
  })
})
