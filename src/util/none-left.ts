/**
 * Does not compile, and names what is left, unless nothing is: for what is declared in one
 * place and is to be handled in another.
 */
export type NoneLeft<Left extends never> = Left
