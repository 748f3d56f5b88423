# One rule for all methods: an argument that a method does not have is refused, as R
# itself drops what lands in `...`. What is accepted are the formals of the method that
# asks, and `also`: what it passes on.

refuse_arguments <- function(fun, ..., also = character()) {
  if (...length() == 0L) {
    return(invisible())
  }
  formals <- setdiff(names(formals(sys.function(sys.parent()))), "...")
  given <- dots_names(...)
  known <- c(formals, also)
  unknown <- setdiff(given, known)
  if (!length(unknown)) {
    return(invisible())
  }
  # The first argument is what the method is called with, which nobody forgets.
  stop_unknown(fun, unknown[[1L]], known[-1L])
}

# Names of what is in `...`, "" where it has none.
dots_names <- function(...) {
  names <- ...names()
  if (is.null(names)) {
    names <- rep("", ...length())
  }
  names[is.na(names)] <- ""
  names
}

stop_unknown <- function(fun, name, known, advice = "") {
  if (!nzchar(name)) {
    synth_stop(
      if (length(known)) {
        sprintf("%s() takes no further unnamed argument. Name the arguments.", fun)
      } else {
        sprintf("%s() takes the object alone.", fun)
      },
      "OptionError"
    )
  }
  if (!nzchar(advice)) {
    advice <- suggest(name, known)
  }
  synth_stop(
    sprintf(
      "%s() has no argument '%s'.%s", fun, name,
      if (nzchar(advice)) advice else " It has none besides the object."
    ),
    "OptionError"
  )
}

# Arguments without a default that the calling function was not given.
require_arguments <- function(fun) {
  env <- parent.frame()
  formals <- formals(sys.function(sys.parent()))
  needed <- setdiff(names(formals)[vapply(formals, identical, NA, quote(expr = ))], "...")
  for (name in needed) {
    if (eval(call("missing", as.name(name)), env)) {
      synth_stop(
        sprintf("%s() needs %s: give %s.", fun, paste(needed, collapse = ", "), name),
        "OptionError"
      )
    }
  }
}

# Arguments of glm() that augmented_gmm() has under another name, or not at all.
instead_of <- c(
  offset = "Write offset(...) in the formula.",
  prob = "Use labeling_prob."
)

refuse_unknown <- function(fun, ..., known) {
  if (...length() == 0L) {
    return(invisible())
  }
  name <- dots_names(...)[[1L]]
  advice <- if (name %in% names(instead_of)) paste0(" ", instead_of[[name]]) else ""
  stop_unknown(fun, name, setdiff(known, "..."), advice)
}
