import { readdirSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { findLacks } from '../../src/runner/sandbox/busybox-applets.ts'
import { hasBusybox } from '../../src/runner/sandbox/sandbox-runtime.ts'
import { capability } from '../helpers/capability.ts'
import { hostPath, makeSandbox, needsRoot } from './sandbox.ts'

const skip = needsRoot || capability('busybox') || capability('nc')

t.test('what a busybox lacks is asked of it', async t => {
  const directory = t.testdir()
  const busybox = async (name: string, script: string) => {
    const file = join(directory, name)
    await writeFile(file, `#!/bin/sh\n${script}\n`)
    await chmod(file, 0o755)
    const lacks = await findLacks(file)
    return lacks.map(({ use }) => use)
  }
  t.same(await busybox('full', 'echo usage: >&2; exit 1'), [])
  t.same(
    await busybox(
      'poor',
      `case $1 in
         nc) echo "nc: invalid option -- 'z'" >&2;;
         wget) echo "wget: unrecognized option '--spider'" >&2;;
         timeout) echo "timeout: can't execute '5'" >&2;;
       esac; exit 1`,
    ),
    ['nc -z', 'wget --spider', 'timeout SECONDS COMMAND'],
  )
  const [nc, wget, timeout] = await findLacks(join(directory, 'poor'))
  for (const script of [
    'until nc -z db 5432; do sleep 1; done',
    'nc -w 2 -z db 1',
    'nc -vz db 1',
  ])
    t.ok(nc?.pattern.test(script), script)
  for (const script of ['nc db 5432', 'nc -l 80; gzip -z', 'rsync -z'])
    t.notOk(nc?.pattern.test(script), script)
  t.ok(wget?.pattern.test('wget -q --spider http://web'))
  t.notOk(wget?.pattern.test('wget http://web'))
  t.ok(timeout?.pattern.test('timeout 5 cmd'))
  t.notOk(timeout?.pattern.test('timeout -t 5 cmd'))
})

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

  t.test('has what an applet lacks from another program', async t => {
    const { run } = await makeSandbox(t)
    const server = createServer(socket => socket.end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { port } = server.address() as AddressInfo
    const script = `
      until nc -z 127.0.0.1 ${port}; do sleep 0.1; done; echo up
      timeout 5 echo in time
      wget --spider http://127.0.0.1:1/ 2>/dev/null; echo $?`
    t.same(await run(['sh', '-c', script], { busybox: true, env }), {
      exitCode: 0,
      output: 'up\nin time\n1\n',
    })
    // Where there is no other program, the applet is better than nothing.
    t.match(await run(['nc', '--help'], { busybox: true, env: new Map() }), {
      output: /^BusyBox/,
    })
  })

  t.test('the PATH of an image comes before them', async t => {
    const { run, directory } = await makeSandbox(t)
    await writeFile(`${directory}/ls`, '#!/bin/sh\necho ANOTHER\n')
    await chmod(`${directory}/ls`, 0o755)
    const ls = async (PATH: string, isImagePath: boolean) => {
      const { output } = await run(['sh', '-c', 'ls --help 2>&1'], {
        busybox: true,
        isImagePath,
        env: new Map([['PATH', PATH]]),
      })
      return /ANOTHER|BusyBox|GNU/.exec(output)?.[0]
    }
    t.equal(await ls(directory, true), 'ANOTHER')
    t.equal(await ls(hostPath, true), 'GNU')
    // One that a Pod gives: what it puts before the system's directories.
    t.equal(await ls(`${directory}:${hostPath}`, false), 'ANOTHER')
    t.equal(await ls(`${hostPath}:${directory}`, false), 'BusyBox')
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
