import { openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { createLogger } from '../../src/util/logger.ts'

t.test('one line for each record, whatever is in it', async t => {
  const file = path.join(t.testdir(), 'log')
  const fd = openSync(file, 'a')
  const logger = createLogger({ level: 'info', colour: false, fd })
  const hostile = 'a\u001b]0;x\u0007\nerror: forged\u202e\u009b'
  logger.info({ [hostile]: hostile }, hostile)
  logger.warn({ err: new Error(hostile) }, 'it failed')
  const [first = '', second = '', ...rest] = readFileSync(file, 'utf8').split(
    '\n',
  )
  t.strictSame(rest, [''])
  t.notMatch(first + second, /[\p{Cc}\p{Bidi_Control}]/u)
  t.match(first, ' INFO a\\x1b]0;x\\a\\nerror: forged\\u202e\\u009b {')
  const fields = JSON.parse(first.slice(first.indexOf('{'))) as object
  t.strictSame(fields, { [hostile]: hostile }, 'the fields are what they were')
  t.match(second, / WARN it failed \{"err":\{.*"stack":"Error: /)
})
