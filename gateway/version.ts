/** As in package.json; the test of the package holds the two together. */
export const VERSION = '0.1.0'
