// The theme of VitePress, with a font that has the shapes and measures of mathematics: systems often have none.
import DefaultTheme from 'vitepress/theme';
import 'temml/dist/Temml-Local.css';
import './mathematics.css';

export default DefaultTheme;
