"""The live page of a sweep: its cells and curves as data, the page that draws them, the server that updates it."""
