import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import * as fieldErrors from '../../src/api/field-errors.ts'
import { errorsDocument, type Said } from '../helpers/errors-document.ts'
import { entryOf, unusedEntries } from '../helpers/message-catalogue.ts'
import { familyNames, sourceMessages } from '../helpers/source-messages.ts'
import { podfs } from '../helpers/podfs.ts'
import { writtenDocument } from '../helpers/written-document.ts'
import {
  wrongCommands,
  wrongManifests,
  type WrongInput,
} from '../helpers/wrong-inputs.ts'

const skip = cannotStart()

/*
 * Mistakes as people make them. docs/errors.md is made of what podfs says of each.
 */

const directory = path.resolve('test/fixtures/wrong')

/** What stands there, without what podfs tells of fields that are no mistake. */
async function say(t: Test, input: WrongInput): Promise<Said> {
  const { code, stdout, stderr } = await podfs(t, input.args, {
    cwd: directory,
  })
  t.equal(code, input.exitCode, 'exit code')
  t.notMatch(stdout + stderr, /\n {4}at |hunter2/, 'no stack, no secret')
  return { input, output: (stdout + stderr).replaceAll(directory, '.') }
}

const manifests: Said[] = []
const commands: Said[] = []

for (const input of wrongManifests) {
  const file = input.args.at(-1) ?? ''
  t.test(`${file}: ${input.title}`, async t => {
    const said = await say(t, input)
    const { found } = writtenDocument(
      `../test/fixtures/wrong/${file.replace('.yaml', '.txt')}`,
      said.output,
    )
    t.equal(said.output, found, 'to the character')
    manifests.push({ input, output: withoutTreatments(said.output) })
  })
}

for (const input of wrongCommands) {
  t.test(`podfs ${input.args.join(' ')}: ${input.title}`, { skip }, async t => {
    const said = await say(t, input)
    commands.push({ input, output: withoutTreatments(said.output) })
  })
}

t.test('each message of the source has a cause and a remedy', async t => {
  const messages = sourceMessages()
  t.ok(messages.length > 250, 'they are found')
  t.strictSame(
    messages
      .filter(message => entryOf(message) === undefined)
      .map(({ file, text }) => `src/${file}: ${text}`),
    [],
    'test/helpers/message-catalogue.ts has an entry for each',
  )
  t.strictSame(unusedEntries(messages), [], 'and for no others')
  t.strictSame(
    familyNames().sort(),
    Object.keys(fieldErrors).sort(),
    'and for all words of field-errors.ts',
  )
})

t.test('docs/errors.md is what podfs says: npm run docs', { skip }, async t => {
  const { found, wanted } = writtenDocument(
    'errors.md',
    errorsDocument(manifests, commands),
  )
  t.equal(found, wanted)
})

function withoutTreatments(output: string): string {
  return output
    .split('\n')
    .filter(
      line =>
        !/: (emulated|ignored): /.test(line) &&
        !/ \d+ fields? supported/.test(line),
    )
    .join('\n')
}
