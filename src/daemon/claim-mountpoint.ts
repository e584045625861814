import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Makes this process the only one of this user that may begin to serve a mount point, or gives
 * undefined while another one is. Held until the process ends, in whatever way: it is a socket
 * in the abstract namespace (unix(7)), which the kernel takes away with its owner, so that no
 * claim is ever stale. Processes in different network namespaces do not see each other's; for
 * them it is session.json that says who serves.
 */
export async function claimMountpoint(
  runtime: string,
  mountpoint: string,
): Promise<{ release(): void } | undefined> {
  const name = createHash('sha256')
    .update(`${runtime}\0${mountpoint}`)
    .digest('hex')
  const server = createServer(socket => socket.destroy())
  server.listen(`\0podfs-${process.getuid?.()}-${name}`)
  // It is no reason to stay alive.
  server.unref()
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
  return { release: () => server.close() }
}
