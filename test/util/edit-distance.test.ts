import t from 'tap'
import { nearest } from '../../src/util/edit-distance.ts'

const words = ['containers', 'initContainers', 'volumes', 'hostNetwork']
const cases: [word: string, meant: string | undefined][] = [
  ['container', 'containers'],
  ['contianers', 'containers'],
  ['Volumes', 'volumes'],
  ['hostNetwrok', 'hostNetwork'],
  ['xyz', undefined],
  ['replicas', undefined],
]
for (const [word, meant] of cases)
  t.equal(nearest(word, words), meant, `${word} means ${meant}`)
