import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { settingsSchema } from '../../src/config/json-schema.ts'

/** Editors read it: config/podfs.yaml names it in its first line. */
const file = 'config/podfs.schema.json'
const text = `${JSON.stringify(settingsSchema(), null, 2)}\n`
if (process.env['PODFS_WRITE_DOCS'] === '1') writeFileSync(file, text)

t.equal(
  readFileSync(file, 'utf8'),
  text,
  `${file} is up to date; else: npm run docs:config`,
)

t.test('editors would complain of what podfs refuses', async t => {
  const { properties } = settingsSchema() as {
    properties: Record<string, Record<string, unknown>>
  }
  t.match(properties['backend'], {
    type: 'string',
    enum: ['fuse', 'fuse-native', 'dir', 'auto'],
    default: 'fuse',
  })
  t.match(properties['images'], {
    type: 'array',
    items: { required: ['pattern'], additionalProperties: false },
  })
  for (const [name, { description, type }] of Object.entries(properties))
    t.ok(type === 'object' || description, `${name} is described`)
})
