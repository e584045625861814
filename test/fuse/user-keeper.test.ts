import t from 'tap'
import {
  fusermountOptions,
  refusalOf,
} from '../../src/fuse/mount/start-user-keeper.ts'

t.test('the name of a mount is a path, which may have a comma', async t => {
  t.equal(
    fusermountOptions('/run/a,b\\c', false),
    'rw,nosuid,nodev,default_permissions,subtype=podfs,fsname=/run/a\\,b\\\\c',
  )
  t.match(fusermountOptions('/run/a', true), /,allow_other,/)
})

t.test('each word of fusermount3 has its remedy', async t => {
  const publicAt = { subdirectory: '', target: '/srv/my dir' }
  const uid = process.getuid?.()
  for (const [said, message, fix] of [
    [
      "fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf",
      /--allow-other is for root only, unless/,
      'echo user_allow_other | sudo tee -a /etc/fuse.conf',
    ],
    [
      'fusermount3: user has no write access to mountpoint /srv/my dir',
      /must belong to the user who mounts, and be writable: \/srv\/my dir$/,
      `sudo chown ${uid} '/srv/my dir'; or another directory`,
    ],
    [
      'fusermount3: mountpoint /srv/my dir not owned by user',
      /must belong to the user/,
      `sudo chown ${uid} '/srv/my dir'; or another directory`,
    ],
    [
      'fusermount3: too many FUSE filesystems mounted; mount_max=N can be set in /etc/fuse.conf',
      /too many FUSE/,
      'unmount some, or set mount_max in /etc/fuse.conf to more',
    ],
    [
      'fusermount3: mounting over filesystem type 0x9fa0 is forbidden',
      /is forbidden/,
      'take a directory in your home',
    ],
    [
      'fusermount3: could not determine username',
      /no name of uid/,
      'add the uid to /etc/passwd; or --backend dir',
    ],
    ['fusermount3: something else', /something else/, undefined],
    ['', /no word of fusermount3/, undefined],
  ] as const) {
    const error = refusalOf(said, { publicAt })
    t.match(error.message, message)
    t.equal(error.fix, fix)
  }
})
