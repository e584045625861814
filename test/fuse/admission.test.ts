import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  isThreadOf,
  readAdmission,
  writeAdmission,
} from '../../src/fuse/server/admission.ts'
import {
  identityOf,
  processStartTime,
} from '../../src/linux/process-identity.ts'
import type { JournalFiles } from '../../src/fuse/keeper/descriptors.ts'

t.test('an admission survives in either file', async t => {
  const directory = t.testdir({})
  const files = ['a', 'b'].map(name =>
    openSync(join(directory, name), 'w+'),
  ) as unknown as JournalFiles
  t.teardown(() => files.forEach(closeSync))
  t.equal(readAdmission(files), undefined, 'empty files admit nobody')
  const self = identityOf(process.pid)
  writeAdmission(files, self)
  t.strictSame(readAdmission(files), self)
  writeSync(files[0], Buffer.from([0xff]), 0, 1, 64)
  t.strictSame(readAdmission(files), self, 'a damaged slot is passed over')
  writeAdmission(files, {
    pid: process.pid,
    startTime: (self?.startTime ?? 0) - 1,
  })
  t.equal(readAdmission(files), undefined, 'another process with that pid')
  writeAdmission(files, self)
  writeAdmission(files, undefined)
  t.equal(readAdmission(files), undefined)
})

t.test('knows the threads of a process', async t => {
  t.ok(isThreadOf(process.pid, process.pid))
  t.notOk(isThreadOf(process.pid, 1))
  t.notOk(isThreadOf(0, process.pid))
  t.notOk(isThreadOf(process.pid, 0))
  const child = spawn('sleep', ['60'])
  const pid = child.pid as number
  t.notOk(isThreadOf(process.pid, pid), 'a child is not a thread')
  t.ok((processStartTime(pid) ?? 0) > 0)
  child.kill()
  await once(child, 'exit')
  t.equal(processStartTime(pid), undefined)
})
