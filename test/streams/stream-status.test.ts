import t from 'tap'
import { endOfStatus, statusOfEnd } from '../../src/streams/stream-status.ts'

t.test('as a kubelet says it, and back', async t => {
  const ends = [
    [{ exitCode: 0 }, { metadata: {}, status: 'Success' }],
    [
      { exitCode: 3 },
      {
        metadata: {},
        status: 'Failure',
        message: 'command terminated with non-zero exit code: exit code 3',
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '3' }] },
      },
    ],
    [
      { error: 'no such file' },
      {
        metadata: {},
        status: 'Failure',
        message: 'Internal error occurred: no such file',
        reason: 'InternalError',
        details: { causes: [{ message: 'no such file' }] },
        code: 500,
      },
    ],
  ] as const
  for (const [end, status] of ends) {
    t.strictSame(statusOfEnd(end), status)
    t.strictSame(endOfStatus(JSON.stringify(status)), end)
  }
})

t.test('what others may say', async t => {
  const cases = [
    ['no JSON', 'no JSON'],
    ['{}', '{}'],
    ['{"message":"gone"}', 'gone'],
    ['{"message":"gone","details":{}}', 'gone'],
    ['{"message":"gone","details":{"causes":[]}}', 'gone'],
    ['{"message":"gone","reason":"NonZeroExitCode"}', 'gone'],
    [
      '{"reason":"Other","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}',
      '3',
    ],
  ] as const
  for (const [text, error] of cases)
    t.strictSame(endOfStatus(text), { error }, text)
})
