import t from 'tap'
import { readDocuments } from '../../src/api/yaml/documents.ts'
import { positionsIn } from '../../src/api/yaml/positions.ts'
import type { YamlNode } from '../../src/api/yaml/yaml-node.ts'
import { readYaml } from '../helpers/read-yaml.ts'

t.test('what is refused, where and in the words of go-yaml', async t => {
  const cases: readonly (readonly [string, number, string])[] = [
    ['a: "x\\ud800"\n', 5, 'found invalid Unicode character escape code'],
    ['a: "\\udfff"\n', 4, 'found invalid Unicode character escape code'],
    ['a: "\\U00110000"\n', 4, 'found invalid Unicode character escape code'],
    ['a: "\\x4"\n', 4, 'did not find expected hexdecimal number'],
    ['a: "\\xz4"\n', 4, 'did not find expected hexdecimal number'],
    ['a: "\\x4z"\n', 4, 'did not find expected hexdecimal number'],
    ['a: "\\q"\n', 4, 'found unknown escape character'],
    ['a: "x\n', 3, 'a quotation mark (") is not closed'],
    ["a: 'x\n--- y\n", 3, "a quotation mark (') is not closed"],
    ["a: 'x\n...\n'\n", 3, "a quotation mark (') is not closed"],
    ['a: |0\n x\n', 3, 'found an indentation indicator equal to 0'],
    ['a: |x\n x\n', 3, 'did not find expected comment or line break'],
    ['a: |+1-\n x\n', 3, 'did not find expected comment or line break'],
    ['a: |11\n x\n', 3, 'did not find expected comment or line break'],
    ['a: ? b\n', 3, 'mapping keys are not allowed in this context'],
    ['a: - b\n', 3, 'block sequence entries are not allowed in this context'],
    ['a: b: c\n', 4, 'mapping values are not allowed in this context'],
    ['a: b\n c: d\n', 7, 'mapping values are not allowed in this context'],
    ['- a\nb\n', 4, "could not find expected ':'"],
    ['a: b\nc\nd: e\n', 5, "could not find expected ':'"],
    ['- a\nb: c\n', 4, "did not find expected '-' indicator"],
    ['a: b\n- c\n', 5, 'did not find expected key'],
    ['[a\n', 3, "did not find expected ',' or ']'"],
    ['[a}\n', 2, "did not find expected ',' or ']'"],
    ['{a: b]\n', 5, "did not find expected ',' or '}'"],
    [']\n', 0, 'did not find expected node content'],
    ['[a,,b]\n', 3, 'did not find expected node content'],
    ['{,}\n', 1, 'did not find expected node content'],
    ['[- a]\n', 1, 'did not find expected node content'],
    ['[? , a]\n', 5, "did not find expected ',' or ']'"],
    ['[? : b]\n', 5, "did not find expected ',' or ']'"],
    ['[? ]\n', 5, "did not find expected ',' or ']'"],
    ['a: @b\n', 3, 'found character that cannot start any token'],
    ['a: `b\n', 3, 'found character that cannot start any token'],
    ['a: %b\n', 3, 'found character that cannot start any token'],
    ['a: [|]\n', 4, 'found character that cannot start any token'],
    ['#\n\ta: b\n', 2, 'tabs are not allowed as indentation'],
    ['a:\n\tb: c\n', 3, 'tabs are not allowed as indentation'],
    ['a:\n  b: c\n\td: e\n', 10, 'tabs are not allowed as indentation'],
    ['a: |2\n  b\n\tc\n', 10, 'tabs are not allowed as indentation'],
    ['a: & b\n', 3, 'did not find expected alphabetic or numeric character'],
    ['a: &b! c\n', 3, 'did not find expected alphabetic or numeric character'],
    ['a: !x!y z\n', 3, 'found undefined tag handle'],
    ['a: !! 5\n', 3, 'did not find expected tag URI'],
    ['a: !<> 5\n', 3, 'did not find expected tag URI'],
    ['a: !<b 5\n', 3, "did not find the expected '>'"],
    ['a: !<b>5\n', 3, 'did not find expected whitespace or line break'],
    ['a: !{ 5\n', 3, 'did not find expected whitespace or line break'],
    ['a: !%6 5\n', 3, 'did not find URI escaped octet'],
    ['a: !b%21%zz 5\n', 3, 'did not find URI escaped octet'],
    ['a: !%ff 5\n', 3, 'found an incorrect leading UTF-8 octet'],
    ['a: \x01\n', 3, 'control characters are not allowed'],
    ['a: b\n---\nc: \x7f\n', 12, 'control characters are not allowed'],
  ]
  for (const [text, offset, problem] of cases) {
    const { error, offset: place } = readYaml(text)
    t.strictSame([place, error], [offset, `not YAML: ${problem}`], text)
  }
})

t.test('values that JSON does not have, and tags that do not fit', async t => {
  const key = 'a key must be a string, not'
  const merge = 'map merge requires map or sequence of maps as the value'
  const cases: readonly (readonly [string, number, string])[] = [
    ['a: *b\n', 3, 'unknown anchor'],
    ['a: &b 1\n---\nc: *b\n', 15, 'unknown anchor'],
    ['a: .nan\n', 3, '.nan is no number in JSON'],
    ['a: -.inf\n', 3, '-.inf is no number in JSON'],
    ['~: a\n', 0, `${key} null`],
    ['?\n: b\n', 1, `${key} null`],
    ['{? }\n', 3, `${key} null`],
    ['{? : b}\n', 3, `${key} null`],
    ['? [a]\n: b\n', 2, `${key} a list or mapping`],
    ['{a: b}: c\n', 0, `${key} a list or mapping`],
    ['9223372036854775808: a\n', 0, `${key} a number of more than 63 bits`],
    ['a: !!int x\n', 3, 'cannot decode this value as a !!int'],
    ['a: !!int 1.5\n', 3, 'cannot decode this value as a !!int'],
    ['a: !!float x\n', 3, 'cannot decode this value as a !!float'],
    ['a: !!float .inf\n', 3, 'cannot decode this value as a !!float'],
    ['a: !!bool 5\n', 3, 'cannot decode this value as a !!bool'],
    ['a: !!null x\n', 3, 'cannot decode this value as a !!null'],
    ['a: !!binary "*"\n', 3, '!!binary value contains invalid base64 data'],
    ['a: {<<: 5}\n', 8, merge],
    ['a: {<<: [{b: c}, 5]}\n', 17, merge],
    ['a: &x 5\nb: {<<: *x}\n', 16, merge],
    ['a: &a {<<: *a}\n', 11, 'an anchor must not contain itself'],
  ]
  for (const [text, offset, problem] of cases) {
    const { error, offset: place } = readYaml(text)
    t.strictSame([place, error], [offset, problem], text)
  }
})

t.test('tags, merges, and keys that are numbers', async t => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['!!int 5', 5],
    ['!!int "5"', 5],
    ['&x !!int 5', 5],
    ['!!int &x 5', 5],
    ['!<tag:yaml.org,2002:int> 5', 5],
    ['!!%69nt 5', 5],
    ['!!float 5', 5],
    ['!!bool yes', true],
    ['!!null ~', null],
    ['!!str 5', '5'],
    ['!!str', ''],
    ['! 5', '5'],
    ['!foo 5', '5'],
    ['!foo%20bar 5', '5'],
    ["!a;/?:@&=+$,.!~*'()[]b 5", '5'],
    ['!!binary YWI=', 'ab'],
    ['!!str [b]', ['b']],
    ['&b?c', '?c'],
    ['&b', null],
    ['{<<: [{b: 1}, {b: 2, c: 3}]}', { b: 1, c: 3 }],
    ['{b: 0, <<: {b: 1}}', { b: 1 }],
    ['{<<: {b: 1}, b: 0}', { b: 0 }],
    ['{"<<": {b: 1}}', { '<<': { b: 1 } }],
    ['{!!str <<: {b: 1}}', { '<<': { b: 1 } }],
    ['{! <<: {b: 1}}', { b: 1 }],
    ['{!!merge "<<": {b: 1}}', { b: 1 }],
    ['{!!merge x: {b: 1}}', { x: { b: 1 } }],
    ['{.5: x}', { '0.5': 'x' }],
    ['{1e5: x}', { '100000': 'x' }],
    ['{1e6: x}', { '1e+06': 'x' }],
    ['{-1e10: x}', { '-1e+10': 'x' }],
    ['{1234567.5: x}', { '1.2345675e+06': 'x' }],
    ['{16777217.0: x}', { '1.6777216e+07': 'x' }],
    ['{0.0001: x}', { '0.0001': 'x' }],
    ['{0.00001: x}', { '1e-05': 'x' }],
    ['{-1.5e-10: x}', { '-1.5e-10': 'x' }],
    ['{1e39: x}', { '.inf': 'x' }],
    ['{-1e39: x}', { '-.inf': 'x' }],
    ['{9223372036854775807: x}', { '9223372036854775807': 'x' }],
    ['{0x1f: x}', { '31': 'x' }],
    ['{yes: x}', { true: 'x' }],
    ['"\\ue000\\u00e4\\x41\\U0010ffff"', '\ue000äA\u{10ffff}'],
    [
      '"\\0\\a\\b\\t\\n\\v\\f\\r\\e\\ \\"\\\'\\\\\\N\\_\\L\\P\\\t"',
      '\0\x07\b\t\n\v\f\r\x1b "\'\\\x85\xa0\u2028\u2029\t',
    ],
  ]
  for (const [text, value] of cases) {
    const { documents, error } = readYaml(`a: ${text}\n`)
    t.strictSame([error, documents], [undefined, [{ a: value }]], text)
  }
})

/** `text@offset`, what is in brackets, and how many values that is. */
function print(node: YamlNode): string {
  const { offset } = node
  switch (node.kind) {
    case 'scalar':
      return `${node.text}@${offset}`
    case 'sequence':
      return `[${node.items.map(print).join(' ')}]@${offset}+${node.size}`
    case 'mapping':
      return `{${node.pairs
        .map(({ key, value }) => `${print(key)}: ${print(value)}`)
        .join(' ')}}@${offset}+${node.size}`
    case 'alias':
  }
  return `*@${offset}`
}

t.test('where each node stands', async t => {
  const cases: readonly (readonly [string, ...string[]])[] = [
    ['a: b\nc:\n', '{a@0: b@3 c@5: @7}@0+2'],
    ['a:\n- b\n-\n- {c: d}\n', '{a@0: [b@5 @8 {c@12: d@15}@11+1]@3+4}@0+5'],
    ['- - a\n  - b\n- c\n', '[[a@4 b@10]@2+2 c@14]@0+4'],
    ['? a\n: b\n? c\n', '{a@2: b@6 c@10: @12}@0+2'],
    ['x: &y z\nu: *y\n', '{x@0: z@3 u@8: *@11}@0+2'],
    ['x: !!str &y z\n', '{x@0: z@3}@0+1'],
    ['x: !t\ny: &z\n', '{x@0: @3 y@6: @9}@0+2'],
    ['[a, b: c, d]\n', '[a@1 {b@4: c@7}@4+1 d@10]@0+4'],
    ['[? a : b, ? c]\n', '[{a@3: b@7}@1+1 {c@12: @13}@10+1]@0+4'],
    ['[a: , b]\n', '[{a@1: @3}@1+1 b@6]@0+3'],
    ['{a: b, c, d: , ? e}\n', '{a@1: b@4 c@7: @8 d@10: @12 e@17: @18}@0+4'],
    ['{? , b: c}\n', '{@3: @3 b@5: c@8}@0+2'],
    ['"a": \'b\'\n', '{a@0: b@5}@0+1'],
    ['a: |\n  b\nc: d\n', '{a@0: b\n@3 c@9: d@12}@0+2'],
    ['# c\n\na: b # d\n', '{a@5: b@8}@5+1'],
    ['a: 1\n---\nb: 2\n', '{a@0: 1@3}@0+1', '{b@9: 2@12}@9+1'],
    [' {"a" : [1, {}],"b":{}}\n', '{a@2: [1@9 {}@12+0]@8+2 b@16: {}@20+0}@1+4'],
    ['{"a":1}\n[]\n', '{a@1: 1@5}@0+1', '[]@8+0'],
  ]
  for (const [text, ...trees] of cases) {
    const documents = [...readDocuments(text, () => {})].filter(
      each => each !== undefined,
    )
    t.strictSame(
      documents.map(({ root }) => print(root)),
      trees,
      text,
    )
    t.strictSame(
      documents.map(({ offset }) => offset),
      documents.map(({ root }) => root.offset),
    )
  }
})

t.test('an offset as line and column', async t => {
  const text = `a\n\nbc\n${'x'.repeat(1020)}\n${'y\n'.repeat(2000)}z`
  const toPosition = positionsIn('f', text)
  const cases = [
    [0, 1, 1],
    [1, 1, 2],
    [2, 2, 1],
    [3, 3, 1],
    [4, 3, 2],
    [5, 3, 3],
    [6, 4, 1],
    [1023, 4, 1018],
    [1024, 4, 1019],
    [1026, 4, 1021],
    [1027, 5, 1],
    [2047, 515, 1],
    [2048, 515, 2],
    [2049, 516, 1],
    [text.length - 1, 2005, 1],
    [text.length, 2005, 2],
    [text.length + 1, 2005, 2],
    [3, 3, 1],
  ] as const
  // In another order, too: what was counted for one serves the others.
  for (const [offset, line, column] of [...cases, ...cases.toReversed()])
    t.strictSame(toPosition(offset), { path: 'f', line, column }, `${offset}`)
  t.strictSame(positionsIn('f', text)(text.length - 1), {
    path: 'f',
    line: 2005,
    column: 1,
  })
})

t.test('lines, blanks and letters that mean something', async t => {
  const cases: readonly (readonly [string, ...unknown[]])[] = [
    ['a: b\u2028 c\n', { a: 'b\u2028c' }],
    ['a: "b\u2029 c"\n', { a: 'b\u2029c' }],
    ['a: |\n b\u2029 c\n', { a: 'b\u2029c\n' }],
    ['&A_Z-z9 a: *A_Z-z9\n', { a: 'a' }],
    ['a: |  # c\n  b\n', { a: 'b\n' }],
    ['a: |+2 # c\n  b\n', { a: 'b\n' }],
    ['a: b\n--x : d\n', { a: 'b', '--x': 'd' }],
    ['x-- : d\n', { 'x--': 'd' }],
    ['..x : d\n', { '..x': 'd' }],
    ['x.. : d\n', { 'x..': 'd' }],
    ['---\n---\n---\na: 1\n---\n---\nb: 2\n', { a: 1 }, { b: 2 }],
    ['\ufeff---\na: 1\n', { a: 1 }],
    ['a: b', { a: 'b' }],
    ['- "\\\n  x"\n', ['x']],
    ['- "x \\\n\n  y"\n', ['x \ny']],
    ['- "x  \n\n\n y"\n', ['x\n\ny']],
    ["- 'it''s\n   x'\n", ["it's x"]],
    ['- |\n\n\n  x\n \n   y\n\n', ['\n\nx\n\n y\n']],
    ['- >\n\n  x\n\n\n  y\n    z\n  w\n', ['\nx\n\ny\n  z\nw\n']],
    ['- >2\n    x\n   y\n', ['  x\n y\n']],
    ['- |-\n  x\n\n\n', ['x']],
    ['- >+\n  x\n\n\n', ['x\n\n\n']],
    ['a:b: c\n', { 'a:b': 'c' }],
    ['[a:b, "c":d, e:]\n', ['a:b', { c: 'd' }, 'e:']],
    ['{"a":b, c:d}\n', { a: 'b', 'c:d': null }],
    ['- -a\n- ?b\n- :c\n- -\n', ['-a', '?b', ':c', [null]]],
    ['a: [\n  b,\n c\n]\n', { a: ['b', 'c'] }],
    ['- {a: b\n  , c: d}\n', [{ a: 'b', c: 'd' }]],
    ['a: # c\n  b\n', { a: 'b' }],
    ['a: b#c\n', { a: 'b#c' }],
    ['a: b #c\n', { a: 'b' }],
    ['#a\n#b\n'],
    ['a: 1\n...\n', { a: 1 }],
    ['a: 1\n...\n...\n', { a: 1 }],
    ['a:\n- b\n-\nc: d\n', { a: ['b', null], c: 'd' }],
    ['? a\n?\n  b\n:\n', { a: null, b: null }],
    ['a:\nb:\n  c:\n  d:\n', { a: null, b: { c: null, d: null } }],
    ['[? a, ? b : ]\n', [{ a: null }, { b: null }]],
    ['[a: ]\n', [{ a: null }]],
    ['{a: }\n', { a: null }],
    ['{? a : }\n', { a: null }],
    ['{a}\n', { a: null }],
    ['a:\n-\nb:\n', { a: [null], b: null }],
    ['- a:\n  -\n- b\n', [{ a: [null] }, 'b']],
    ['- -\n  -\n- a\n', [[null, null], 'a']],
    ['? a\n:\n? b\n:\n', { a: null, b: null }],
    ['a\n... # c\n', 'a'],
    ['a\n...x\n', 'a ...x'],
    ['\r\na: b\r\nc: d\r\n', { a: 'b', c: 'd' }],
    ['a: "b\r\n  c"\r\n', { a: 'b c' }],
    ['a: |\r\n  b\r\n  c\r\n', { a: 'b\nc\n' }],
    ['a: b\rc: d\r', { a: 'b', c: 'd' }],
    ['a:\tb\t\n', { a: 'b' }],
    ['{a: b,\n\tc: d}\n', { a: 'b', c: 'd' }],
    ['a: "\tb\n\tc"\n', { a: '\tb c' }],
  ]
  for (const [text, ...documents] of cases) {
    const found = readYaml(text)
    t.strictSame(
      [found.error, found.warnings, found.documents],
      [undefined, [], documents],
      text,
    )
  }
})

t.test('lines of --- with something behind', async t => {
  const told = 'invalid Yaml document separator'
  const cases: readonly (readonly [string, readonly unknown[], string])[] = [
    ['--- a #\n', ['a'], `0: ${told}`],
    ['a: 1\n--- {b: 2}\n', [{ a: 1 }, { b: 2 }], `5: ${told}`],
    ['a: 1\n---\tb\n', [{ a: 1 }, 'b'], `5: ${told}`],
    ['a: 1\n---b: 2\n', [{ a: 1, '---b': 2 }], `5: ${told}`],
    [
      '{"a":1}{"b":2}\nc: d\n',
      [{ a: 1 }, { b: 2 }, { c: 'd' }],
      '15: JSON objects one after the other, and then something else',
    ],
    ['[a] b\n', [['a']], '4: not YAML: did not find expected <document start>'],
    ['%x\na: b\n', [{ a: 'b' }], '0: found incompatible YAML document'],
    [
      'a: b\n...\n%x\n---\nc\n',
      [{ a: 'b' }, 'c'],
      '9: found incompatible YAML document',
    ],
    [
      'a: 1\n...\n...\nb: 2\n',
      [{ a: 1 }, { b: 2 }],
      '13: a second document without a line of ---',
    ],
  ]
  for (const [text, documents, warning] of cases) {
    const found = readYaml(text)
    t.strictSame(
      [found.documents, found.warnings],
      [documents, [warning]],
      text,
    )
  }
  t.strictSame(readYaml('{"a":1}\nb: 2\n').warnings, [])
})
