/** vim, emacs, and what vim makes to see whether it may write here; VS Code, JetBrains, Kate. */
const patterns =
  /~$|^#.*#$|^\.#|^\..*\.(sw.|kate-swp)$|^4913$|\.vsctmp$|___jb_(tmp|old)___$/

/** A file that an editor keeps beside the one it edits: nobody means it. */
export function isEditorsFile(name: string): boolean {
  return patterns.test(name)
}
