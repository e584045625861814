/** What whoever begins one ahead says when it is there (host-skeleton.ts). */
export const skeletonMade = 'made'

/**
 * With the directory as its parameter.
 *
 * To a depth at which there are a few thousand; few programs make files deeper down. In as few
 * processes as can be: the first container waits for it. Of those of /usr the modes are those of
 * all: to look at them takes longer. What cannot be read is left out; the programs say so, and end
 * with a failure.
 */
export const skeletonScript = `
umask 022
mount -n -t tmpfs -o mode=0755 podfs "$1" && cd / || exit 1
is_directory() {
  [ -d "/$1" ] && [ ! -L "/$1" ]
}
{
  ! is_directory usr || find usr -xdev -maxdepth 3 -type d -print0 | (cd "$1" && xargs -0 mkdir)
  for top in var opt; do
    ! is_directory $top || set -- "$@" $top
  done
  skeleton=$1
  shift
  [ $# = 0 ] || find "$@" -xdev -maxdepth 6 -type d -print0 | tar -c --no-recursion --null -T - | tar -x -p --no-same-owner -C "$skeleton"
  ! is_directory etc || cp -R -P --preserve=mode,timestamps,links etc "$skeleton"
} 2>/dev/null
true
`
