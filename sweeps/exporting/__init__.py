"""What leaves the store: a trained network in the forms that other libraries load, a sweep as tables; with cards."""
