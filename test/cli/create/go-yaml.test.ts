import t from 'tap'
import { goYaml } from '../../../src/cli/create/go-yaml.ts'

/*
 * What kubectl itself cannot print, so that no recording has it. Each was printed by
 * go-yaml v2.4.2, given the text directly.
 */
const cases = [
  { name: 'DEL', text: 'a\x7fb', yaml: 'v: "a\\x7Fb"\n' },
  { name: 'C1 controls', text: '\x80\x9f', yaml: 'v: "\\x80\\x9F"\n' },
  { name: 'NEL', text: 'a\x85b', yaml: 'v: "a\\Nb"\n' },
  {
    name: 'noncharacters',
    text: '\ufffe\uffff',
    yaml: 'v: "\\uFFFE\\uFFFF"\n',
  },
  {
    name: 'NEL at the end of a line',
    text: 'a\x85\nb\n',
    yaml: 'v: "a\\N\\nb\\n"\n',
  },
]

for (const { name, text, yaml } of cases)
  t.test(`${name} is escaped`, async t => {
    t.equal(goYaml(new Map([['v', text]])), yaml)
  })
