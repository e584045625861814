/* docs/architecture.md has the table of the rooms: `npm run docs` writes it. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { fences, rooms } from '../../src/rooms.mjs'
import { writtenDocument } from '../helpers/written-document.ts'

const code = (names: readonly string[]): string =>
  names.map(name => `\`${name}\``).join(', ')

const table = [
  '| room | purpose | may import |',
  '|---|---|---|',
  ...rooms.map(
    ({ room, purpose, imports }) =>
      `| \`${room}/\` | ${purpose} | ${code(imports.map(name => `${name}/`)) || 'Node'} |`,
  ),
  '',
  'Some packages, and one module of Node, have fences, too:',
  '',
  ...fences.map(
    ({ name, rooms }) =>
      `- \`${name}\`: only in ${code(rooms.map(room => `${room}/`))}.`,
  ),
].join('\n')

t.test('the table is that of src/rooms.mjs', async t => {
  const page = readFileSync('docs/architecture.md', 'utf8')
  const { found, wanted } = writtenDocument(
    'architecture.md',
    page.replace(
      /<!-- rooms -->[^]*<!-- \/rooms -->/,
      () => `<!-- rooms -->\n\n${table}\n\n<!-- /rooms -->`,
    ),
  )
  t.equal(found, wanted)
  t.ok(found.includes(table))
})

t.test('each folder of src/ is a room, or has rooms', async t => {
  for (const entry of readdirSync('src', { withFileTypes: true }))
    if (entry.isDirectory() && entry.name !== 'loader')
      t.ok(
        rooms.some(
          ({ room }) =>
            room === entry.name || room.startsWith(`${entry.name}/`),
        ),
        entry.name,
      )
})
