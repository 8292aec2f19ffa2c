"""How average density is maximised: objective, local search, semidefinite relaxation, rounding, exact solvers."""
