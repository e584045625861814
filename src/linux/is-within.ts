/** Whether a path is a directory or lies in it. */
export function isWithin(path: string, directory: string): boolean {
  return (
    path === directory ||
    path.startsWith(directory.endsWith('/') ? directory : `${directory}/`)
  )
}
