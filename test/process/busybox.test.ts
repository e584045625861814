import { readdirSync, statSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { hasBusybox } from '../../src/runner/sandbox/sandbox-runtime.ts'
import { capability } from '../helpers/capability.ts'
import { hostPath, makeSandbox, needsRoot } from './sandbox.ts'

const skip = needsRoot || capability('busybox')

t.test('a container of a busybox image', { skip }, async t => {
  t.ok(hasBusybox())
  const env = new Map([['PATH', hostPath]])
  const labels = "[[ -e /etc/hosts ]] && echo -en '\\n\\n'; echo $0"

  t.test('has busybox’s shell, by PATH, by path and by #!', async t => {
    const { run, directory } = await makeSandbox(t)
    const script = `${directory}/script`
    await writeFile(script, `#!/bin/sh\n${labels}\n`)
    await chmod(script, 0o755)
    const more = { busybox: true, env }
    t.same(await run(['sh', '-c', labels], more), {
      exitCode: 0,
      output: '\n\nsh\n',
    })
    t.same(await run(['/bin/sh', '-c', labels], more), {
      exitCode: 0,
      output: '\n\n/bin/sh\n',
    })
    t.same(await run([script], more), {
      exitCode: 0,
      output: `\n\n${script}\n`,
    })
  })

  t.test('finds the applets first, in hooks too', async t => {
    const { start } = await makeSandbox(t)
    const { container } = await start(['sleep', '1000'], { busybox: true, env })
    const { output } = await container.exec(
      ['sh', '-c', 'ls --help 2>&1 | head -n 1; readlink /proc/1/exe'],
      new AbortController().signal,
    )
    t.match(output, /^BusyBox.*\n.*\/busybox\n$/)
  })

  t.test('finds them beside volumes that may be mounted anew', async t => {
    const { run } = await makeSandbox(t, {
      expectsLiveVolumes: true,
    })
    const script = 'ls --help 2>&1 | head -n 1; cat /proc/self/mountinfo'
    const { output } = await run(['sh', '-c', script], { busybox: true, env })
    t.match(output, /^BusyBox/)
    // A bind of it that was not private would be given what is mounted in the place.
    t.match(output, / \/usr\/lib\/podfs\/applets ro,/)
    t.notMatch(output, / \/usr\/lib\/podfs\/applets [^-]*(shared|master):/)
  })

  t.test('has links that are made once, by whoever comes first', async t => {
    const { run, directory } = await makeSandbox(t)
    const appletsDirectory = join(directory, 'applets')
    const other = await makeSandbox(t, { appletsDirectory })
    const container = { busybox: true, env }
    await Promise.all([
      run(['true'], container),
      other.run(['true'], container),
    ])
    const names = readdirSync(appletsDirectory)
    t.equal(names.length, 1)
    const applets = join(appletsDirectory, names[0] ?? '')
    const { ino, mtimeMs } = statSync(applets)
    await run(['true'], container)
    t.strictSame(readdirSync(appletsDirectory), names)
    t.match(statSync(applets), { ino, mtimeMs })
  })

  t.test('leaves the others alone', async t => {
    const { run } = await makeSandbox(t)
    await run(['true'], { busybox: true, env })
    t.match(
      await run(['sh', '-c', 'echo $PATH; ls --version | head -n 1'], { env }),
      {
        output: `${hostPath}\nls (GNU coreutils)`,
      },
    )
  })
})
